#include "eval/causal.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <set>
#include <utility>

#include "base/memory.h"
#include "base/rng.h"
#include "base/signals.h"
#include "eval/rank.h"
#include "explain/explain_plan.h"
#include "explain/mixer_view.h"
#include "explain/target.h"

namespace hindscan {

const char* edit_name(EditKind kind) {
  constexpr const char* names[] = {"replace", "drop-write", "remove"};
  return names[static_cast<size_t>(kind)];
}

// Without replacement, with weight 1 / distance to the target: far tokens rarely change anything that can be measured.
static std::vector<int64_t> draw_positions(int64_t first, int64_t last, Rng& rng) {
  std::vector<std::pair<double, int64_t>> keys;
  for (int64_t t = first; t < last; ++t)
    keys.emplace_back(-std::log(1 - rng.uniform()) * static_cast<double>(last - t), t);
  std::sort(keys.begin(), keys.end());
  std::vector<int64_t> out;
  for (const auto& [key, t] : keys) out.push_back(t);
  return out;
}

std::vector<Edit> draw_edits(const Model& model, const ExplainRequest& request, const ExplainReport& report) {
  if (request.tokens.empty()) return {};  // features: nothing to replace them by
  const uint64_t V = static_cast<uint64_t>(model.arch().sizes().vocab_size);
  Rng rng(request.seed, "causal");
  const std::vector<int64_t> positions = draw_positions(report.window.first, report.window.last - 1, rng);
  const size_t P = positions.size(), n = std::min(static_cast<size_t>(std::max(0, request.causal_edits)), 3 * P);
  std::vector<Edit> edits(n);
  for (size_t i = 0; i < n; ++i) {
    Edit& e = edits[i];
    e.position = positions[i % P];
    e.kind = static_cast<EditKind>((i % P + i / P) % 3);
    const int32_t old = request.tokens[static_cast<size_t>(e.position)];
    if (V > 1) e.replacement = static_cast<int32_t>((static_cast<uint64_t>(old) + 1 + rng.below(V - 1)) % V);
  }
  return edits;
}

namespace {

constexpr int64_t kPackedTokens = 4096;

SequenceState advance(const Model& model, std::span<const int32_t> tokens, SequenceState state) {
  if (tokens.empty()) return state;
  Input input;
  input.tokens = tokens;
  input.states = {&state};
  CtxOptions options;
  options.compute = model.compute();
  Ctx ctx(input, std::move(options));
  model.arch().forward(ctx);
  ctx.commit();
  return state;
}

// The tap of every mixer whose zeros take a token's write away: the key where the write is linear in it, else the
// value. A few tokens show them all, unless the model reads texts of one length only.
std::set<std::string> write_taps(const Model& model, const PassProbe& probe, std::span<const int32_t> window) {
  constexpr size_t kFew = 16;
  const std::span<const int32_t> tokens = probe.whole ? window : window.first(std::min(kFew, window.size()));
  Input input;
  input.tokens = tokens;
  CtxOptions options;
  options.record = true;
  options.compute = model.compute();
  Ctx ctx(input, std::move(options));
  model.arch().forward(ctx);
  std::set<std::string> names;
  const auto collect = [&](const auto& views) {
    for (const auto& view : views) {
      const bool key = view->kind.starts_with("glr.") && view->kind != "glr.channel";
      names.insert(ctx.mixers()[view->mixer].where + (key ? ".k" : ".v"));
    }
  };
  if (model.compute() == DType::kF64)
    collect(mixer_views<double>(ctx));
  else
    collect(mixer_views<float>(ctx));
  return names;
}

// Packed copies of the window; copy 0 is left as it is and gives the base value.
class EditedBatch {
 public:
  EditedBatch(std::span<const int32_t> window, int64_t first, const std::set<std::string>& writes, Arena& arena)
      : window_(window), first_(first), writes_(writes), arena_(arena) {
    add_tokens(-1);
  }

  void add(const Edit& e) {
    const int64_t at = e.position - first_, start = cu_.back();
    add_tokens(e.kind == EditKind::kRemove ? at : -1);
    if (e.kind == EditKind::kReplace) tokens_[static_cast<size_t>(start + at)] = e.replacement;
    if (e.kind == EditKind::kDropWrite) silent_.push_back(start + at);
  }

  void add_without_any_write() {
    for (size_t t = 0; t < window_.size(); ++t) silent_.push_back(cu_.back() + static_cast<int64_t>(t));
    add_tokens(-1);
  }

  // h of a pass over all copies, whose states are in `states` afterwards.
  void run(
      const Model& model, const SequenceState& before,
      const std::function<void(Ctx& ctx, Var h)>& visit = [](Ctx&, Var) {}) {
    states.assign(cu_.size() - 1, before);
    silenced.clear();
    changed.assign(cu_.size() - 1, 0);
    Input input;
    input.tokens = tokens_;
    input.cu_seqlens = cu_;
    for (SequenceState& s : states) input.states.push_back(&s);
    CtxOptions options;
    options.compute = model.compute();
    options.arena = &arena_;
    options.tap = [this](const TapView& view) { silence(view), compare(view); };
    Ctx ctx(input, std::move(options));
    visit(ctx, model.arch().forward(ctx));  // [tokens, d_model]
    ctx.commit();
  }

  // Value of the target at the end of each copy, or of the copy where the model judges whole texts.
  std::vector<double> values(const Model& model, const SequenceState& before, const TargetReport& target) {
    std::vector<double> out;
    run(model, before, [&](Ctx& ctx, Var h) {
      const bool judged = target.kind != TargetKind::kToken;
      const int64_t C = ctx.cols(h);
      for (size_t s = 1; s < cu_.size(); ++s) {
        const int64_t at = (judged ? static_cast<int64_t>(s) - 1 : cu_[s] - 1) * C;
        std::vector<double> row(static_cast<size_t>(C));  // [d_model]
        for (int64_t c = 0; c < C; ++c)
          row[static_cast<size_t>(c)] = ctx.compute() == DType::kF64 ? ctx.data<double>(h)[at + c]
                                                                     : static_cast<double>(ctx.data<float>(h)[at + c]);
        out.push_back(target_value(model, target, row));
      }
    });
    return out;
  }

  std::vector<SequenceState> states;  // [copies]
  std::set<std::string> silenced;     // writes that were there to drop
  std::vector<char> changed;          // [copies] some mixer gave out another number than in copy 0

 private:
  void add_tokens(int64_t without) {
    for (int64_t t = 0; t < static_cast<int64_t>(window_.size()); ++t) {
      if (t != without) tokens_.push_back(window_[static_cast<size_t>(t)]);
    }
    cu_.push_back(static_cast<int64_t>(tokens_.size()));
  }

  void silence(const TapView& view) {
    if (writes_.count(std::string(view.name)) == 0) return;
    if (view.T != cu_.back()) return;  // tokens in another order: this is none of them
    silenced.insert(std::string(view.name));
    const size_t row = static_cast<size_t>(view.C) * dtype_size(view.dtype);
    for (int64_t t : silent_) std::memset(static_cast<char*>(view.data) + static_cast<size_t>(t) * row, 0, row);
  }

  void compare(const TapView& view) {
    if (!view.name.ends_with(".mixer.out") || view.T != cu_.back()) return;
    const size_t row = static_cast<size_t>(view.C) * dtype_size(view.dtype);
    const char* data = static_cast<const char*>(view.data);
    for (size_t s = 1; s < changed.size(); ++s) {
      const auto rows = static_cast<size_t>(cu_[s + 1] - cu_[s]);
      if (rows != window_.size() || std::memcmp(data + static_cast<size_t>(cu_[s]) * row, data, rows * row) != 0)
        changed[s] = 1;
    }
  }

  std::span<const int32_t> window_;
  int64_t first_;
  const std::set<std::string>& writes_;
  Arena& arena_;  // of one batch after the other
  std::vector<int32_t> tokens_;
  std::vector<int64_t> cu_{0};
  std::vector<int64_t> silent_;  // packed positions whose write is dropped
};

bool all_zero(const SequenceState::Slot& slot) {
  return std::all_of(slot.bytes.begin(), slot.bytes.end(), [](char c) { return c == 0; });
}

// Every mixer has a write to drop, and its state is another one without any: else drop-write edits would measure zeros
// that mean nothing.
void verify_writes(const Model& model, std::span<const int32_t> window, const SequenceState& before,
                   const std::set<std::string>& writes, Arena& arena) {
  EditedBatch batch(window, 0, writes, arena);
  batch.add_without_any_write();
  batch.run(model, before);
  for (const std::string& name : writes) {
    const std::string mixer = name.substr(0, name.rfind('.') + 1);
    check(batch.silenced.count(name) > 0, ErrorCode::kInternal,
          "[causal] expected the write {} to drop, found none; please report this", name);
    bool written = false, dropped = false;
    for (const auto& [slot, with] : batch.states[0].slots()) {
      const auto without = batch.states[1].slots().find(slot);
      if (!slot.starts_with(mixer) || without == batch.states[1].slots().end()) continue;
      written |= !all_zero(with);
      dropped |= with.bytes != without->second.bytes;
    }
    check(dropped || !written, ErrorCode::kInternal,
          "[causal] expected another state of {} without its writes, found the same; please report this", mixer);
  }
}

// As many as share a pass: kPackedTokens and the limit allow it. Two are too many where the model is too large.
size_t copies_at_once(const Model& model, const ExplainRequest& r, const ExplainReport& report,
                      const PassProbe& probe) {
  const Window& w = report.window;
  const EditCost cost = edit_cost(model, r, probe, w.first, w.last);
  const int64_t limit = (r.mem_limit > 0 ? r.mem_limit : available_memory()) - score_bytes(model, r);
  check(
      cost.of(kFewestCopies) <= limit, ErrorCode::kResource,
      "[causal] expected at least {} MiB for two copies of the last {} tokens, found {} MiB; raise the limit or leave "
      "the edits out",
      (cost.of(kFewestCopies) >> 20) + 1, w.last - w.first, std::max<int64_t>(limit, 0) >> 20);
  const int64_t most =
      std::min(kPackedTokens / (w.last - w.first), (limit - cost.fixed) / std::max<int64_t>(cost.each, 1));
  return static_cast<size_t>(std::max(kFewestCopies, most));
}

}  // namespace

void measure_edits(const Model& model, const ExplainRequest& request, const ExplainReport& report,
                   std::span<Edit> edits) {
  if (edits.empty()) return;
  const Window& w = report.window;
  const std::span<const int32_t> tokens(request.tokens);
  const auto range = [&](int64_t a, int64_t b) {
    return tokens.subspan(static_cast<size_t>(a), static_cast<size_t>(b - a));
  };
  const PassProbe probe = probe_pass(model, walk_of(model, request));
  const size_t at_once = copies_at_once(model, request, report, probe) - 1;  // beside the unedited one
  const SequenceState before = advance(model, range(w.state_at, w.first), w.state);
  const std::set<std::string> writes = write_taps(model, probe, range(w.first, w.last));
  Arena arena;
  if (std::any_of(edits.begin(), edits.end(), [](const Edit& e) { return e.kind == EditKind::kDropWrite; }))
    verify_writes(model, range(w.first, w.last), before, writes, arena);
  ProgressTask progress(request.progress, "causal check", "edits", edits.size());
  for (size_t i = 0; i < edits.size(); i += at_once) {
    throw_if_stopped();
    const std::span<Edit> some = edits.subspan(i, std::min(at_once, edits.size() - i));
    EditedBatch batch(range(w.first, w.last), w.first, writes, arena);
    for (const Edit& e : some) batch.add(e);
    const std::vector<double> values = batch.values(model, before, report.target);
    const double noise = (model.compute() == DType::kF64 ? 1e-13 : 1e-6) * std::max(1.0, std::abs(values[0]));
    for (size_t e = 0; e < some.size(); ++e) {
      const double change = values[e + 1] - values[0];
      some[e].measured = std::abs(change) <= noise ? 0 : change;
      some[e].changed = batch.changed[e + 1] != 0;
    }
    progress.step(some.size());
  }
}

std::vector<double> predicted_changes(const Model& model, const ExplainRequest& request, const ExplainReport& report,
                                      const MethodReport& method, std::span<const Edit> edits) {
  std::vector<double> out;
  if (edits.empty()) return out;
  const Weight& table = embedding_table(model);
  for (const Edit& e : edits) {
    const size_t j = static_cast<size_t>(e.position);
    if (e.kind != EditKind::kReplace || method.adjoint.empty()) {
      out.push_back(-method.scores()[j]);
      continue;
    }
    const std::vector<double> now = weight_row(table, request.tokens[j]), then = weight_row(table, e.replacement);
    const double* adjoint = method.adjoint.data() + static_cast<size_t>(e.position - report.window.first) * now.size();
    double change = 0;
    for (size_t c = 0; c < now.size(); ++c) change += (then[c] - now[c]) * adjoint[c];
    out.push_back(change);
  }
  return out;
}

std::vector<Edit> add_causal(const Model& model, const ExplainRequest& request, ExplainReport& report) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<Edit> edits = draw_edits(model, request, report);
  if (request.causal_edits <= 0) return edits;
  measure_edits(model, request, report, edits);
  std::vector<double> measured;
  std::vector<int64_t> positions;
  for (const Edit& e : edits) {
    measured.push_back(e.measured);
    positions.push_back(e.position);
  }
  for (MethodReport& method : report.methods) {
    if (!method.targeted) continue;
    const std::vector<double> predicted = predicted_changes(model, request, report, method, edits);
    CausalReport causal;
    causal.edits = static_cast<int>(edits.size());
    causal.spearman = spearman(predicted, measured);
    causal.spearman_interval = spearman_interval(predicted, measured, positions);
    causal.sign_agreement = sign_agreement(predicted, measured);
    causal.sign_interval = sign_interval(predicted, measured);
    causal.first = report.window.first;
    causal.last = report.window.last - 1;
    method.causal = causal;
  }
  report.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return edits;
}

}  // namespace hindscan
