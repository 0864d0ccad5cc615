#include "explain/scan_walk.h"

#include <algorithm>

#include "base/memory.h"
#include "explain/run_edits.h"
#include "explain/scan_tail.h"
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
  Scan(const Model& model, const ExplainRequest& r, std::span<const TargetReport> targets, std::span<const Edit> edits,
       const ScanReach& reach, ProgressSink* progress)
      : model_(model),
        request_(r),
        targets_(targets),
        target_(targets[0]),
        edits_(edits),
        reach_(reach),
        tokens_(std::span(r.tokens).first(static_cast<size_t>(target_.position + 1))),
        start_(r.state_in == nullptr ? model.initial_state() : *r.state_in),
        progress_(progress, "scan", "tokens", static_cast<uint64_t>(2 * tokens_.size())),
        responses_(edits.size()),
        tail_(tokens_, reach.tail < places() ? 0 : reach.tail) {
    plan(memory_within(r.mem_limit));
    std::stable_sort(by_window_.begin(), by_window_.end(),
                     [&](size_t a, size_t b) { return window_end(edits_[a]) > window_end(edits_[b]); });
  }

  std::vector<ScanResponse> run() {
    BorderWalk<R> walk(model_, tokens_, start_, plan_);
    walk.run(
        target_seed(model_, target_), [this](const BorderChunk<R>& chunk) { visit(chunk); }, progress_);
    run_long();
    return std::move(responses_);
  }

 private:
  int64_t n() const { return std::ssize(tokens_); }
  int64_t places() const { return static_cast<int64_t>(target_.places()); }
  // What an edit is run up to at most: an answer longer than a tail is of first order as a whole.
  int64_t end_begin() const { return std::min(tail_.begin(), target_.first()); }
  // Where the window of an edit ends: the border before this token.
  int64_t window_end(const Edit& e) const { return e.end() + reach_.window; }
  bool exact(const Edit& e) const { return window_end(e) > end_begin() - memory_; }
  PackedSequence edited(const Edit& e, const BorderChunk<R>& chunk, int64_t end) const {
    return edited_text(tokens_, e, chunk.whole_state(e.position), end);
  }

  void plan(int64_t limit);
  void visit(const BorderChunk<R>& chunk);
  void run_to_the_end(const BorderChunk<R>& chunk);
  double middle(const BorderChunk<R>& chunk, const ChangedRows& rows);
  std::vector<double> read_later(const BorderChunk<R>& chunk, std::span<const ChangedRows> edits, int64_t from) const;
  void run_windows(std::span<const size_t> some, const BorderChunk<R>& chunk);
  void run_long();

  const Model& model_;
  const ExplainRequest& request_;
  std::span<const TargetReport> targets_;
  const TargetReport& target_;  // the first
  std::span<const Edit> edits_;
  ScanReach reach_;
  std::span<const int32_t> tokens_;  // up to and with the target's
  SequenceState start_;
  ProgressTask progress_;
  std::vector<ScanResponse> responses_;
  typename BorderWalk<R>::Plan plan_;
  int64_t memory_ = 0;             // tokens that a convolution looks back
  std::vector<size_t> by_window_;  // edits, the last window first
  std::vector<size_t> long_;       // those of more tokens than states are kept of
  size_t next_ = 0;                // of by_window_
  size_t at_once_ = 1;             // edits
  PassRoom pieces_;
  ScanTail<R> tail_;
  typename ScanTail<R>::Changes changes_;  // of one edit
  std::vector<R> change_;                  // of a slot that no mixer has for its own
  double largest_ = 0;                     // response so far, to first order
};

template <class R>
void Scan<R>::plan(int64_t limit) {
  PassRoom room;
  ChainedPass first(model_, tokens_.first(2), start_, room);
  memory_ = memory_of(first.ctx());
  const auto bytes = static_cast<int64_t>(std::max<size_t>(first.take_states()[1].bytes(), 1));
  plan_.chunk = scan_chunk(limit, bytes);
  int64_t longest = 1;  // tokens of an edit
  for (size_t i = 0; i < edits_.size(); ++i) {
    const bool fits = edits_[i].count <= plan_.chunk;
    (fits ? by_window_ : long_).push_back(i);
    if (fits) longest = std::max(longest, edits_[i].count);
  }
  plan_.last_begin = end_begin() - memory_ - longest;
  plan_.lead_in = reach_.window + longest;
  constexpr int64_t kShare = 8, kEach = 64;  // of the limit; bytes by which attention reads an edit, for each token
  const int64_t fit = limit / (kShare * (bytes + kEach * n()));
  at_once_ = static_cast<size_t>(
      std::clamp(std::min(kPackedTokens / (std::max(reach_.window, reach_.tail) + 1), fit), int64_t{1}, plan_.chunk));
}

template <class R>
void Scan<R>::visit(const BorderChunk<R>& chunk) {
  if (chunk.end == n()) {
    tail_.start(chunk);
    run_to_the_end(chunk);
  }
  while (next_ < by_window_.size() && window_end(edits_[by_window_[next_]]) >= chunk.begin) {
    size_t to = next_;
    while (to < by_window_.size() && to - next_ < at_once_ && window_end(edits_[by_window_[to]]) >= chunk.begin) ++to;
    run_windows(std::span(by_window_).subspan(next_, to - next_), chunk);
    next_ = to;
  }
  tail_.lead(chunk, chunk.begin);
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
    std::vector<std::vector<double>> changes = run_packed(model_, runs, pieces_, targets_);
    for (std::vector<double>& of_target : changes) {
      const double unedited = of_target.back();
      of_target.pop_back();
      for (double& value : of_target) value -= unedited;
    }
    std::vector<ScanResponse> run = as_run(changes);
    for (size_t i = 0; i < some.size(); ++i) responses_[some[i]] = std::move(run[i]);
  }
}

// What the adjoint says of the change at the border, which stays in changes_.
template <class R>
double Scan<R>::middle(const BorderChunk<R>& chunk, const ChangedRows& rows) {
  const SequenceState& adjoint = chunk.adjoint(rows.border);
  ScanTail<R>::take(chunk, rows, changes_);
  const auto read_directly = [&](const std::string& slot) {
    return std::any_of(chunk.reads.begin(), chunk.reads.end(),
                       [&](const auto& r) { return r != nullptr && r->holds(slot); });
  };
  double sum = 0;
  for (const auto& named : adjoint.slots()) {
    const std::string& slot = named.first;
    if (read_directly(slot)) continue;
    const auto known =
        std::find_if(changes_.begin(), changes_.end(), [&](const auto& change) { return change.first == slot; });
    if (known == changes_.end()) take_change(*rows.edited, chunk.state(rows.border), slot, change_);
    sum += dot_with(adjoint, slot, known == changes_.end() ? change_ : known->second);
  }
  return sum;
}

// What later tokens, from `from` on, read of each edit's changed rows directly.
template <class R>
std::vector<double> Scan<R>::read_later(const BorderChunk<R>& chunk, std::span<const ChangedRows> edits,
                                        int64_t from) const {
  std::vector<double> sums(edits.size(), 0.0);
  for (const auto& reads : chunk.reads) {
    if (reads == nullptr) continue;
    const std::vector<double> some = reads->responses(edits, from);
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += some[i];
  }
  return sums;
}

template <class R>
void Scan<R>::run_windows(std::span<const size_t> some, const BorderChunk<R>& chunk) {
  std::vector<PackedSequence> runs;
  std::vector<size_t> with_tail;
  for (size_t i : some) runs.push_back(edited(edits_[i], chunk, window_end(edits_[i])));
  run_packed(model_, runs, pieces_);
  std::vector<ChangedRows> changed;
  for (size_t i = 0; i < some.size(); ++i) {
    const Edit& e = edits_[some[i]];
    for (const auto& view : chunk.views) view->align(runs[i].state, chunk.state(window_end(e)));
    changed.push_back({&runs[i].state, e.position, window_end(e), std::ssize(runs[i].tokens)});
  }
  const std::vector<double> reads = read_later(chunk, changed, 0);
  const std::vector<double> tail_reads = read_later(chunk, changed, tail_.begin());
  for (size_t i = 0; i < some.size(); ++i) {
    tail_.lead(chunk, changed[i].border);
    ScanResponse& response = responses_[some[i]];
    response.middle = response.change = middle(chunk, changed[i]) + reads[i];
    largest_ = std::max(largest_, std::abs(response.middle));
    if (!tail_.carries()) continue;
    response.end_linear = tail_.carry(chunk, changes_) + tail_reads[i];
    if (std::abs(response.end_linear) > kWorthATail * largest_ && tail_.add(chunk, changed[i], changes_))
      with_tail.push_back(some[i]);
  }
  const std::vector<double> ends = tail_.run(model_, target_, pieces_);
  for (size_t i = 0; i < ends.size(); ++i) {
    ScanResponse& response = responses_[with_tail[i]];
    response.end = ends[i];
    response.change = response.end + response.middle - response.end_linear;
  }
}

template <class R>
void Scan<R>::run_long() {
  if (long_.empty()) return;
  std::vector<Edit> some;
  for (const size_t i : long_) some.push_back(edits_[i]);
  std::vector<ScanResponse> run = as_run(run_edits_of(model_, request_, targets_, some));
  for (size_t i = 0; i < run.size(); ++i) responses_[long_[i]] = std::move(run[i]);
}

}  // namespace

int64_t scan_chunk(int64_t limit, int64_t state_bytes) {
  constexpr int64_t kShare = 4, kFewest = 8, kMost = 256;  // of the limit
  return std::clamp(limit / (kShare * kStateCopies * std::max<int64_t>(state_bytes, 1)), kFewest, kMost);
}

template <class R>
std::vector<ScanResponse> walk_edits(const Model& model, const ExplainRequest& r, std::span<const TargetReport> targets,
                                     std::span<const Edit> edits, const ScanReach& reach, ProgressSink* progress) {
  return Scan<R>(model, r, targets, edits, reach, progress).run();
}
template std::vector<ScanResponse> walk_edits<float>(const Model&, const ExplainRequest&, std::span<const TargetReport>,
                                                     std::span<const Edit>, const ScanReach&, ProgressSink*);
template std::vector<ScanResponse> walk_edits<double>(const Model&, const ExplainRequest&,
                                                      std::span<const TargetReport>, std::span<const Edit>,
                                                      const ScanReach&, ProgressSink*);

}  // namespace hindscan
