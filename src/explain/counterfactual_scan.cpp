#include "explain/counterfactual_scan.h"

#include <algorithm>
#include <numeric>

#include "base/memory.h"
#include "explain/border_walk.h"
#include "explain/packed_run.h"
#include "explain/run_edits.h"
#include "explain/state_change.h"
#include "explain/target.h"

namespace hindscan {

namespace {

constexpr int64_t kPackedTokens = 1024;  // of a pass over edited pieces, where memory allows
constexpr double kWorthATail = 1e-3;     // of the largest response: a smaller change at the tail stays of first order

// Tokens that convolutions of a pass look back.
int64_t memory_of(const Ctx& ctx) {
  int64_t memory = 1;
  for (const OpNode& node : ctx.nodes()) {
    if (node.role == Role::kConv) memory = std::max(memory, node.weights.front()->shape.back() - 1);
  }
  return memory;
}

template <class R>
class Scan {
 public:
  Scan(const Model& model, const ExplainRequest& r, const TargetReport& target, std::span<const Edit> edits,
       const ScanReach& reach, ProgressSink* progress)
      : model_(model),
        target_(target),
        edits_(edits),
        reach_(reach),
        tokens_(std::span(r.tokens).first(static_cast<size_t>(target.position + 1))),
        start_(r.state_in == nullptr ? model.initial_state() : *r.state_in),
        progress_(progress, "scan", "tokens", static_cast<uint64_t>(2 * tokens_.size())),
        responses_(edits.size()) {
    by_window_.resize(edits_.size());
    std::iota(by_window_.begin(), by_window_.end(), size_t{0});
    std::stable_sort(by_window_.begin(), by_window_.end(),
                     [&](size_t a, size_t b) { return window_end(edits_[a]) > window_end(edits_[b]); });
    plan(memory_within(r.mem_limit));
  }

  std::vector<ScanResponse> run() {
    BorderWalk<R> walk(model_, tokens_, start_, plan_);
    walk.run(
        target_seed(model_, target_), [this](const BorderChunk<R>& chunk) { visit(chunk); }, progress_);
    return std::move(responses_);
  }

 private:
  using Changes = std::vector<std::pair<std::string, std::vector<R>>>;  // by slot

  int64_t n() const { return std::ssize(tokens_); }
  int64_t tail_begin() const { return n() - reach_.tail; }
  // Where the window of an edit ends: the border before this token.
  int64_t window_end(const Edit& e) const { return e.end() + reach_.window; }
  bool exact(const Edit& e) const { return window_end(e) > tail_begin() - memory_; }
  PackedSequence edited(const Edit& e, const BorderChunk<R>& chunk, int64_t end) const {
    return edited_text(tokens_, e, chunk.whole_state(e.position), end);
  }

  void plan(int64_t limit);
  void visit(const BorderChunk<R>& chunk);
  void start_tail(const BorderChunk<R>& chunk);
  void lead(const BorderChunk<R>& chunk, int64_t to);
  void run_to_the_end(const BorderChunk<R>& chunk);
  double middle(const BorderChunk<R>& chunk, const ChangedRows& rows);
  Changes carried(const BorderChunk<R>& chunk, const ChangedRows& rows, double* linear) const;
  SequenceState tail_state(const BorderChunk<R>& chunk, const ChangedRows& rows, const Changes& changes) const;
  void run_windows(std::span<const size_t> some, const BorderChunk<R>& chunk);
  void run_tails(const std::vector<int32_t>& tail, std::span<const size_t> some, std::vector<PackedSequence>& tails);

  const Model& model_;
  const TargetReport& target_;
  std::span<const Edit> edits_;
  ScanReach reach_;
  std::span<const int32_t> tokens_;  // up to and with the target's
  SequenceState start_;
  ProgressTask progress_;
  std::vector<ScanResponse> responses_;
  typename BorderWalk<R>::Plan plan_;
  int64_t memory_ = 0;             // tokens that a convolution looks back
  std::vector<size_t> by_window_;  // edits, the last window first
  size_t next_ = 0;                // of by_window_
  size_t at_once_ = 1;             // edits
  PassRoom pieces_;
  SequenceState tail_state_, tail_adjoint_;
  std::vector<R> change_;                   // of one slot
  double largest_ = 0;                      // response so far, to first order
  std::vector<Transition<R>> transitions_;  // of each view: from at_ to the tail
  int64_t at_ = 0;
  bool linear_ = true;  // states follow each other linearly
};

template <class R>
void Scan<R>::plan(int64_t limit) {
  constexpr int64_t kShare = 4, kCopies = 6, kFewest = 8, kMost = 256;  // of the limit; of a state, for each token
  PassRoom room;
  ChainedPass first(model_, tokens_.first(1), start_, room);
  memory_ = memory_of(first.ctx());
  const auto bytes = static_cast<int64_t>(std::max<size_t>(first.take_states().back().bytes(), 1));
  int64_t longest = 1;  // tokens of an edit
  for (const Edit& e : edits_) longest = std::max(longest, e.count);
  plan_.chunk = std::clamp(limit / (kShare * kCopies * bytes), kFewest, kMost);
  plan_.last_begin = tail_begin() - memory_ - longest;
  plan_.lead_in = reach_.window + longest;
  at_once_ = static_cast<size_t>(
      std::clamp(kPackedTokens / (std::max(reach_.window, reach_.tail) + 1), int64_t{1}, plan_.chunk));
}

template <class R>
void Scan<R>::visit(const BorderChunk<R>& chunk) {
  if (chunk.end == n()) start_tail(chunk);
  while (next_ < by_window_.size() && window_end(edits_[by_window_[next_]]) >= chunk.begin) {
    size_t to = next_;
    while (to < by_window_.size() && to - next_ < at_once_ && window_end(edits_[by_window_[to]]) >= chunk.begin) ++to;
    run_windows(std::span(by_window_).subspan(next_, to - next_), chunk);
    next_ = to;
  }
  lead(chunk, chunk.begin);
}

template <class R>
void Scan<R>::start_tail(const BorderChunk<R>& chunk) {
  transitions_.resize(chunk.views.size());
  at_ = std::max(tail_begin(), chunk.begin);
  run_to_the_end(chunk);
  if (reach_.tail == 0 || tail_begin() < chunk.begin) return;
  tail_state_ = chunk.whole_state(at_);
  tail_adjoint_ = chunk.adjoint(at_);
}

// The transitions then start at `to`.
template <class R>
void Scan<R>::lead(const BorderChunk<R>& chunk, int64_t to) {
  for (; at_ > to; --at_) {
    for (size_t l = 0; l < chunk.views.size() && linear_; ++l)
      linear_ = chunk.reads[l] != nullptr || chunk.views[l]->lead(at_ - 1 - chunk.begin, transitions_[l]);
  }
}

// Edits near the target, all of whose later tokens are run.
template <class R>
void Scan<R>::run_to_the_end(const BorderChunk<R>& chunk) {
  while (next_ < by_window_.size() && exact(edits_[by_window_[next_]])) {
    std::vector<size_t> some;
    std::vector<PackedSequence> runs;
    for (; some.size() < at_once_ && next_ < by_window_.size() && exact(edits_[by_window_[next_]]); ++next_) {
      some.push_back(by_window_[next_]);
      runs.push_back(edited(edits_[some.back()], chunk, n()));
    }
    const int64_t from = edits_[some.back()].position;
    runs.push_back({{tokens_.begin() + from, tokens_.end()}, chunk.whole_state(from)});
    const std::vector<double> values = run_packed(model_, runs, pieces_, target_);
    for (size_t i = 0; i < some.size(); ++i) responses_[some[i]] = {values[i] - values.back(), true};
  }
}

// What the adjoint says of the change at the border, and what later tokens read of it directly.
template <class R>
double Scan<R>::middle(const BorderChunk<R>& chunk, const ChangedRows& rows) {
  const SequenceState& text = chunk.state(rows.border);
  const SequenceState& adjoint = chunk.adjoint(rows.border);
  const auto read_directly = [&](const std::string& slot) {
    return std::any_of(chunk.reads.begin(), chunk.reads.end(),
                       [&](const auto& r) { return r != nullptr && r->holds(slot); });
  };
  double sum = 0;
  for (const auto& [slot, numbers] : adjoint.slots()) {
    if (read_directly(slot)) continue;
    take_change(rows.edited, text, slot, change_);
    sum += dot_with(adjoint, slot, change_);
  }
  for (const auto& reads : chunk.reads) {
    if (reads != nullptr) sum += reads->response(rows, rows.border);
  }
  return sum;
}

// The changes of the state in front of the tail, by view and slot; *linear: what the adjoint says of them.
template <class R>
typename Scan<R>::Changes Scan<R>::carried(const BorderChunk<R>& chunk, const ChangedRows& rows, double* linear) const {
  const SequenceState& text = chunk.state(rows.border);
  Changes changes;
  for (size_t l = 0; l < chunk.views.size(); ++l) {
    if (chunk.reads[l] != nullptr) {
      *linear += chunk.reads[l]->response(rows, tail_begin());
      continue;
    }
    for (const std::string& slot : chunk.views[l]->states()) {
      std::vector<R> change = change_of<R>(rows.edited, text, slot);
      chunk.views[l]->carry(transitions_[l], change.data());
      *linear += dot_with(tail_adjoint_, slot, change);
      changes.emplace_back(slot, std::move(change));
    }
  }
  return changes;
}

template <class R>
SequenceState Scan<R>::tail_state(const BorderChunk<R>& chunk, const ChangedRows& rows, const Changes& changes) const {
  SequenceState state = tail_state_;
  for (const auto& [slot, change] : changes) add_change(state, slot, change);
  for (const auto& reads : chunk.reads) {
    if (reads != nullptr) reads->splice(rows, tail_begin(), state);
  }
  return state;
}

template <class R>
void Scan<R>::run_windows(std::span<const size_t> some, const BorderChunk<R>& chunk) {
  std::vector<PackedSequence> runs, tails;
  std::vector<size_t> with_tail;
  for (size_t i : some) runs.push_back(edited(edits_[i], chunk, window_end(edits_[i])));
  run_packed(model_, runs, pieces_);
  const std::vector<int32_t> tail(tokens_.end() - reach_.tail, tokens_.end());
  for (size_t i = 0; i < some.size(); ++i) {
    const Edit& e = edits_[some[i]];
    const int64_t border = window_end(e);
    lead(chunk, border);
    for (const auto& view : chunk.views) view->align(runs[i].state, chunk.state(border));
    const ChangedRows rows{runs[i].state, e.position, border, std::ssize(runs[i].tokens)};
    ScanResponse& response = responses_[some[i]];
    response.middle = response.change = middle(chunk, rows);
    largest_ = std::max(largest_, std::abs(response.middle));
    if (linear_ && reach_.tail > 0) {
      const Changes changes = carried(chunk, rows, &response.end_linear);
      if (std::abs(response.end_linear) > kWorthATail * largest_) {
        tails.push_back({tail, tail_state(chunk, rows, changes)});
        with_tail.push_back(some[i]);
      }
    }
    runs[i].state = {};
  }
  run_tails(tail, with_tail, tails);
}

template <class R>
void Scan<R>::run_tails(const std::vector<int32_t>& tail, std::span<const size_t> some,
                        std::vector<PackedSequence>& tails) {
  if (some.empty()) return;
  tails.push_back({tail, tail_state_});
  const std::vector<double> values = run_packed(model_, tails, pieces_, target_);
  for (size_t i = 0; i < some.size(); ++i) {
    ScanResponse& response = responses_[some[i]];
    response.end = values[i] - values.back();
    response.change = response.end + response.middle - response.end_linear;
  }
}

}  // namespace

std::vector<ScanResponse> scan_edits(const Model& model, const ExplainRequest& r, const TargetReport& target,
                                     std::span<const Edit> edits, const ScanReach& reach, ProgressSink* progress) {
  if (edits.empty()) return {};
  check_edits(model, target, edits);
  const bool whole = model.arch().sizes().labels > 0;  // no state of it is a border
  if (whole || reach.window + reach.tail >= target.position) {
    std::vector<ScanResponse> responses;
    for (const double change : run_edits(model, r, target, edits, progress)) responses.push_back({change, true});
    return responses;
  }
  return model.compute() == DType::kF64 ? Scan<double>(model, r, target, edits, reach, progress).run()
                                        : Scan<float>(model, r, target, edits, reach, progress).run();
}

}  // namespace hindscan
