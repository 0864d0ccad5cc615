#include "explain/run_edits.h"

#include <algorithm>
#include <numeric>

#include "base/memory.h"
#include "base/signals.h"
#include "explain/packed_run.h"

namespace hindscan {

void check_edits(const Model& model, const TargetReport& target, std::span<const Edit> edits) {
  check(model.arch().sizes().feature_dim == 0, ErrorCode::kUsage,
        "[edits] expected tokens that can be taken out, found vectors; name methods that edit nothing");
  for (const Edit& e : edits)
    check(e.position >= 0 && e.kind != EditKind::kDropWrite && e.count >= 1 &&
              (e.kind == EditKind::kRemove ? e.end() <= target.edits_end() && e.count <= target.position
                                           : e.count == 1 && e.position <= target.first()),
          ErrorCode::kUsage,
          "[edits] expected one of tokens 0..{} to replace or some but not all of them to remove, found {} of tokens "
          "{}..{}",
          target.first(), edit_name(e.kind), e.position, e.end() - 1);
}

PackedSequence edited_text(std::span<const int32_t> tokens, const Edit& e, const SequenceState& before, int64_t end) {
  PackedSequence s{{}, before};
  if (e.kind == EditKind::kReplace)
    s.tokens.push_back(e.replacement);
  else
    s.state.tokens += e.count;  // those behind keep their positions
  s.tokens.insert(s.tokens.end(), tokens.begin() + e.end(), tokens.begin() + end);
  return s;
}

namespace {

// Of the state behind so many tokens, the keys and values of attention among them; from two of the tokens.
int64_t bytes_behind(const Model& model, std::span<const int32_t> tokens, SequenceState state) {
  Runner runner(model);
  std::vector<int64_t> bytes;
  for (int64_t t = 0; t < std::min<int64_t>(2, std::ssize(tokens)); ++t) {
    const RunSequence one{tokens.subspan(static_cast<size_t>(t), 1), &state};
    runner.feed({&one, 1});
    bytes.push_back(static_cast<int64_t>(state.bytes()));
  }
  return bytes.back() + (bytes.back() - bytes.front()) * std::max<int64_t>(0, std::ssize(tokens) - 2);
}

// How many texts share the passes: their states must fit.
size_t texts_at_once(const ExplainRequest& r, int64_t state_bytes) {
  constexpr int64_t kShare = 4;  // of the limit
  const int64_t bytes = kShare * (state_bytes + 1);
  return static_cast<size_t>(std::clamp(memory_within(r.mem_limit) / bytes, int64_t{1}, kTextsAtOnce));
}

using Targets = std::span<const TargetReport>;
using Changes = std::vector<std::vector<double>>;  // [targets][edits]

// Values of the targets of whole texts, which may be long: all but what the answer is read from in chunks.
Changes values_at_end(const Model& model, Runner& runner, std::vector<PackedSequence>& texts, Targets targets,
                      PassRoom& room) {
  const size_t places = targets[0].places();
  std::vector<RunSequence> bodies;
  bodies.reserve(texts.size());
  for (PackedSequence& s : texts)
    bodies.push_back({std::span<const int32_t>(s.tokens).first(s.tokens.size() - places), &s.state});
  runner.feed(bodies);
  for (PackedSequence& s : texts) s.tokens.erase(s.tokens.begin(), s.tokens.end() - static_cast<int64_t>(places));
  return run_packed(model, texts, room, targets);
}

// Of texts whose first one is the unedited one; to: where in `changes` the others stand.
void add_changes(const Changes& values, std::span<const size_t> to, Changes& changes) {
  for (size_t t = 0; t < values.size(); ++t) {
    for (size_t i = 0; i < to.size(); ++i) changes[t][to[i]] = values[t][i + 1] - values[t][0];
  }
}

// Every text from its first token on, as many in a pass as are few tokens.
void run_whole(const Model& model, std::span<const int32_t> tokens, const SequenceState& start, Targets targets,
               std::span<const Edit> edits, ProgressTask& progress, Changes& changes) {
  const size_t at_once = whole_texts_at_once(std::ssize(tokens));
  PassRoom room;
  for (size_t begin = 0; begin < edits.size(); begin += at_once) {
    throw_if_stopped();
    std::vector<PackedSequence> texts{{{tokens.begin(), tokens.end()}, start}};
    std::vector<size_t> to;
    for (const Edit& e : edits.subspan(begin, std::min(at_once, edits.size() - begin))) {
      to.push_back(begin + to.size());
      texts.push_back({{tokens.begin(), tokens.end()}, start});
      std::vector<int32_t>& text = texts.back().tokens;
      if (e.kind == EditKind::kReplace)
        text[static_cast<size_t>(e.position)] = e.replacement;
      else
        text.erase(text.begin() + e.position, text.begin() + e.end());
    }
    add_changes(run_packed(model, texts, room, targets), to, changes);
    progress.step(to.size());
  }
}

}  // namespace

size_t whole_texts_at_once(int64_t tokens) {
  constexpr int64_t kPacked = 4096;  // tokens of a pass
  return static_cast<size_t>(std::max<int64_t>(1, kPacked / tokens));
}

std::vector<std::vector<double>> run_edits_of(const Model& model, const ExplainRequest& r, Targets targets,
                                              std::span<const Edit> edits, ProgressSink* sink) {
  const TargetReport& target = targets[0];
  check_edits(model, target, edits);
  const std::span<const int32_t> tokens = std::span(r.tokens).first(static_cast<size_t>(target.position + 1));
  const SequenceState start = r.state_in == nullptr ? model.initial_state() : *r.state_in;
  ProgressTask progress(sink, "edits", "edits", edits.size());
  Changes changes(targets.size(), std::vector<double>(edits.size()));
  if (model.arch().sizes().labels > 0) {
    run_whole(model, tokens, start, targets, edits, progress, changes);
    return changes;
  }
  std::vector<size_t> order(edits.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return edits[a].position < edits[b].position; });
  Runner runner(model);
  SequenceState state = start;
  int64_t read = 0;
  const auto read_to = [&](int64_t t) {
    const RunSequence some{tokens.subspan(static_cast<size_t>(read), static_cast<size_t>(t - read)), &state};
    if (t > read) runner.feed({&some, 1});
    read = t;
  };
  const size_t at_once = edits.empty() ? 1 : texts_at_once(r, bytes_behind(model, tokens, start));
  PassRoom room;
  for (size_t begin = 0; begin < order.size();) {
    throw_if_stopped();
    read_to(edits[order[begin]].position);
    std::vector<PackedSequence> texts{{{tokens.begin() + read, tokens.end()}, state}};  // the unedited one
    const size_t end = std::min(order.size(), begin + at_once);
    for (size_t i = begin; i < end; ++i) {
      read_to(edits[order[i]].position);
      texts.push_back(edited_text(tokens, edits[order[i]], state, std::ssize(tokens)));
    }
    add_changes(values_at_end(model, runner, texts, targets, room), std::span(order).subspan(begin, end - begin),
                changes);
    progress.step(end - begin);
    begin = end;
  }
  return changes;
}

std::vector<double> run_edits(const Model& model, const ExplainRequest& r, const TargetReport& target,
                              std::span<const Edit> edits, ProgressSink* progress) {
  return run_edits_of(model, r, {&target, 1}, edits, progress)[0];
}

}  // namespace hindscan
