// Running: the same forward pass for a prompt, one token, or a book of any length, in chunks at constant memory.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/counted.h"
#include "core/ops/losses.h"
#include "model/head_rows.h"
#include "model/model.h"
#include "model/pass_cost.h"

namespace hindscan {

namespace {

std::string of_sequence(size_t sequence, size_t of) { return of > 1 ? fmt::format(" of sequence {}", sequence) : ""; }

void check_sequences(const Model& model, std::span<const RunSequence> sequences) {
  require_language_model(model);
  for (const RunSequence& s : sequences) model.check_tokens(s.tokens);
  if (sequences.size() < 2) return;
  std::set<const SequenceState*> states;
  for (const RunSequence& s : sequences)
    check(states.insert(s.state).second, ErrorCode::kUsage,
          "[run] expected a state of its own for each sequence, found one twice; copy it to fork");
}

}  // namespace

void require_language_model(const Model& model) {
  const ArchitectureSizes s = model.arch().sizes();
  const std::string name = model.path().empty() ? "model" : model.path();
  check(s.labels == 0, ErrorCode::kData,
        "[{}] expected a language model, found a {} of {} a sequence, which predicts no next token; use 'hindscan "
        "classify'",
        name, s.regression ? "regression model" : "classifier", counted(s.labels, "output"));
  check(s.feature_dim == 0, ErrorCode::kData,
        "[{}] expected a model of tokens, found one that reads feature vectors of {}", name,
        counted(s.feature_dim, "number"));
}

// As many sequences as fit in a chunk together, the first with tokens left among them.
std::vector<Runner::Part> Runner::next_parts(std::span<const RunSequence> sequences, std::vector<int64_t>& done) const {
  std::vector<Part> parts;
  int64_t rows = 0;
  for (size_t s = 0; s < sequences.size(); ++s) {
    const int64_t n = std::min(chunk_, std::ssize(sequences[s].tokens) - done[s]);
    if (n == 0 || (!parts.empty() && rows + n > chunk_)) continue;
    parts.push_back({s, done[s], n, rows});
    done[s] += n;
    rows += n;
  }
  return parts;
}

Input Runner::input_of(std::span<const RunSequence> sequences, const std::vector<Part>& parts) {
  Input input;
  tokens_.clear();
  input.cu_seqlens = {0};
  for (const Part& p : parts) {
    const auto now = sequences[p.sequence].tokens.subspan(static_cast<size_t>(p.first), static_cast<size_t>(p.count));
    if (parts.size() == 1)
      input.tokens = now;
    else
      tokens_.insert(tokens_.end(), now.begin(), now.end());
    input.cu_seqlens.push_back(p.row + p.count);
    input.states.push_back(sequences[p.sequence].state);
  }
  if (parts.size() > 1) input.tokens = tokens_;
  return input;
}

template <class F>
void Runner::passes(std::span<const RunSequence> sequences, F&& each) {
  check_sequences(model_, sequences);
  std::vector<int64_t> done(sequences.size(), 0);
  int64_t all = 0;
  for (;;) {
    const std::vector<Part> parts = next_parts(sequences, done);
    if (parts.empty()) return;
    const Input input = input_of(sequences, parts);
    CtxOptions options;
    options.compute = model_.compute();
    options.tap = tap;
    options.use(room_);
    options.in_place = true;
    Ctx ctx(input, options);
    each(ctx, model_.arch().forward(ctx), parts);  // [rows of the parts, d_model]
    ctx.commit();
    all += input.length();
    if (on_chunk) on_chunk(all);
  }
}

void Runner::feed(std::span<const RunSequence> sequences) {
  passes(sequences, [](const Ctx&, Var, const std::vector<Part>&) {});
}

std::span<const float> Runner::step(std::span<const RunSequence> sequences) {
  for (const RunSequence& s : sequences)
    check(!s.tokens.empty(), ErrorCode::kUsage, "[run] expected at least one token, found none; give a prompt");
  const int64_t V = model_.arch().head().rows(), C = model_.arch().head().cols();
  logits_.resize(sequences.size() * static_cast<size_t>(V));
  passes(sequences, [&](const Ctx& ctx, Var h, const std::vector<Part>& parts) {
    std::vector<int64_t> last;    // rows of last tokens
    std::vector<size_t> ends_of;  // their sequences
    for (const Part& p : parts) {
      if (p.first + p.count < std::ssize(sequences[p.sequence].tokens)) continue;
      last.push_back(p.row + p.count - 1);
      ends_of.push_back(p.sequence);
    }
    if (last.empty()) return;
    std::vector<float> apart;  // [rows, vocab], where they do not follow one another in logits_
    const bool direct = last.size() == 1 || last.size() == sequences.size();
    if (!direct) apart.resize(last.size() * static_cast<size_t>(V));
    float* out = direct ? logits_.data() + static_cast<int64_t>(ends_of[0]) * V : apart.data();
    with_rows(ctx, h, [&]<class R>(const R* rows) {
      std::vector<R> storage;
      head_rows(model_, gather_rows(rows, C, last, storage), std::ssize(last), out);
    });
    for (size_t i = 0; i < last.size(); ++i) {
      const size_t s = ends_of[i];
      const float* row = out + static_cast<int64_t>(i) * V;
      check_logits(model_, std::ssize(sequences[s].tokens) - 1, 1, row, of_sequence(s, sequences.size()));
      if (!direct) std::copy_n(row, V, logits_.begin() + static_cast<int64_t>(s) * V);
    }
  });
  return logits_;
}

void Runner::logits(std::span<const RunSequence> sequences, const BatchSink& sink) {
  const int64_t V = model_.arch().head().rows(), C = model_.arch().head().cols(), block = logit_rows(model_, chunk_);
  std::vector<float> rows;  // [block, vocab]
  passes(sequences, [&](const Ctx& ctx, Var h, const std::vector<Part>& parts) {
    for (int64_t r = 0; r < ctx.rows(h); r += block) {
      const int64_t end = std::min(r + block, ctx.rows(h));
      rows.resize(static_cast<size_t>((end - r) * V));
      with_rows(ctx, h, [&](const auto* all) { head_rows(model_, all + r * C, end - r, rows.data()); });
      for (const Part& p : parts) {
        const int64_t from = std::max(p.row, r), count = std::min(p.row + p.count, end) - from;
        if (count <= 0) continue;
        const float* mine = rows.data() + (from - r) * V;
        const int64_t first = p.first + from - p.row;
        check_logits(model_, first, count, mine, of_sequence(p.sequence, sequences.size()));
        sink(p.sequence, first, count, mine);
      }
    }
  });
}

void Runner::score(std::span<const RunSequence> sequences, std::span<const std::span<double>> log_probs) {
  check(log_probs.size() == sequences.size(), ErrorCode::kInternal,
        "[score] expected outputs of {} sequences, found {}", sequences.size(), log_probs.size());
  for (size_t s = 0; s < sequences.size(); ++s) {
    check(log_probs[s].size() == sequences[s].tokens.size(), ErrorCode::kInternal,
          "[score] expected {} outputs, found {}", sequences[s].tokens.size(), log_probs[s].size());
    if (!log_probs[s].empty()) log_probs[s][0] = std::numeric_limits<double>::quiet_NaN();
  }
  // Tokens of a part that predict one of the same sequence: all but its last.
  const auto scored = [&](const Part& p) {
    return std::min(p.count, std::ssize(sequences[p.sequence].tokens) - 1 - p.first);
  };
  passes(sequences, [&](Ctx& ctx, Var h, const std::vector<Part>& parts) {
    if (std::all_of(parts.begin(), parts.end(), [&](const Part& p) { return scored(p) == 0; })) return;
    std::vector<int32_t> targets(static_cast<size_t>(ctx.rows(h)), 0);
    for (const Part& p : parts) {
      const auto next = sequences[p.sequence].tokens.begin() + p.first + 1;
      std::copy_n(next, scored(p), targets.begin() + p.row);
    }
    std::vector<double> nats(targets.size());
    ops::cross_entropy(ctx, model_.arch().logit_head(), h, targets, {}, nats);
    for (const Part& p : parts) {
      for (int64_t t = 0; t < scored(p); ++t) {
        const double nat = nats[static_cast<size_t>(p.row + t)];
        check(std::isfinite(nat), ErrorCode::kData,
              "[score] expected a finite log-probability of token {}{}, found {}; the weights or the state are damaged "
              "or too large",
              p.first + t + 1, of_sequence(p.sequence, sequences.size()), -nat);
        log_probs[p.sequence][static_cast<size_t>(p.first + t + 1)] = -nat;
      }
    }
  });
}

std::span<const float> Runner::step(std::span<const int32_t> tokens, SequenceState& state) {
  const RunSequence one{tokens, &state};
  return step({&one, 1});
}

void Runner::logits(std::span<const int32_t> tokens, SequenceState& state, const Sink& sink) {
  const RunSequence one{tokens, &state};
  logits({&one, 1}, [&](size_t, int64_t first, int64_t count, const float* rows) { sink(first, count, rows); });
}

void Runner::score(std::span<const int32_t> tokens, SequenceState& state, std::span<double> log_probs) {
  const RunSequence one{tokens, &state};
  score({&one, 1}, {&log_probs, 1});
}

}  // namespace hindscan
