#include "explain/counterfactual_scan.h"

#include <algorithm>
#include <numeric>

#include "base/memory.h"
#include "base/signals.h"
#include "explain/chained_pass.h"
#include "explain/packed_run.h"
#include "explain/reverse_method.h"
#include "explain/reverse_walk.h"
#include "explain/run_edits.h"
#include "explain/state_change.h"
#include "explain/target.h"

namespace hindscan {

namespace {

constexpr int64_t kPackedTokens = 1024;  // of a pass over edited pieces, where memory allows
constexpr double kWorthATail = 1e-3;     // of the largest response: a smaller change at the tail stays of first order

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
    plan(r.mem_limit > 0 ? r.mem_limit : available_memory());
  }

  std::vector<ScanResponse> run() {
    forward();
    for (size_t k = borders_.size(); k-- > 0;) back(k);
    return std::move(responses_);
  }

 private:
  int64_t n() const { return std::ssize(tokens_); }
  int64_t tail_begin() const { return n() - reach_.tail; }
  // Where the window of an edit ends: the border before this token.
  int64_t window_end(const Edit& e) const { return e.end() + reach_.window; }
  bool exact(const Edit& e) const { return window_end(e) > tail_begin() - memory_; }

  int64_t read_from(size_t k) const { return std::max<int64_t>(0, first_[k] - reach_.window - longest_); }
  std::span<const int32_t> tokens(int64_t begin, int64_t end) const {
    return tokens_.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  }
  // What was read of a chunk: tokens from `begin` on back, too.
  struct Chunk {
    const std::vector<SequenceState>& states;  // in front of each token from read_from on, and behind the last
    int64_t read_from, begin;
    const ChainedPass& pass;
    const Views<R>& views;
  };

  void plan(int64_t limit);
  void forward();
  std::vector<SequenceState> states_before(size_t k);
  void back(size_t k);
  void start_tail(const Chunk& chunk);
  SequenceState text_state(const Chunk& chunk, int64_t t) const;  // in front of token t, with what later tokens read
  void lead(const Chunk& chunk, int64_t to);
  PackedSequence edited(const Edit& e, const Chunk& chunk, int64_t end) const {
    return edited_text(tokens_, e, text_state(chunk, e.position), end);
  }
  void run_to_the_end(const Chunk& chunk);
  double middle(const Chunk& chunk, const ChangedRows& rows);
  using Changes = std::vector<std::pair<std::string, std::vector<R>>>;
  Changes carried(const Chunk& chunk, const ChangedRows& rows, double* linear) const;
  SequenceState tail_state(const ChangedRows& rows, const Changes& changes) const;
  void run_windows(std::span<const size_t> some, const Chunk& chunk);
  void run_tails(const std::vector<int32_t>& tail, std::span<const size_t> some, std::vector<PackedSequence>& tails);

  const Model& model_;
  const TargetReport& target_;
  std::span<const Edit> edits_;
  ScanReach reach_;
  std::span<const int32_t> tokens_;  // up to and with the target's
  SequenceState start_;
  ProgressTask progress_;
  std::vector<ScanResponse> responses_;
  int64_t memory_ = 0;             // tokens that a convolution looks back
  std::vector<int64_t> first_;     // of each chunk; and behind the last
  std::vector<size_t> by_window_;  // edits, the last window first
  size_t next_ = 0;                // of by_window_
  size_t at_once_ = 1;             // edits
  PassRoom room_, pieces_;
  Borders borders_;        // in front of what a chunk reads: of its windows, too
  SequenceState adjoint_;  // of the state in front of the chunk that was read last
  SequenceState tail_state_, tail_adjoint_;
  std::vector<R> change_;                              // of one slot
  int64_t longest_ = 1;                                // tokens of an edit
  double largest_ = 0;                                 // response so far, to first order
  std::vector<std::unique_ptr<LaterReads<R>>> reads_;  // of each view, or null
  std::vector<Transition<R>> transitions_;             // of each view: from at_ to the tail
  int64_t at_ = 0;
  bool linear_ = true;  // states follow each other linearly
};

// Tokens that convolutions of a pass look back.
int64_t memory_of(const Ctx& ctx) {
  int64_t memory = 1;
  for (const OpNode& node : ctx.nodes()) {
    if (node.role == Role::kConv) memory = std::max(memory, node.weights.front()->shape.back() - 1);
  }
  return memory;
}

template <class R>
void Scan<R>::plan(int64_t limit) {
  for (const Edit& e : edits_) longest_ = std::max(longest_, e.count);
  constexpr int64_t kShare = 4, kCopies = 6, kFewest = 8, kMost = 256;  // of the limit; of a state, for each token
  ChainedPass first(model_, tokens_.first(1), start_, room_);
  memory_ = memory_of(first.ctx());
  const auto bytes = static_cast<int64_t>(std::max<size_t>(first.take_states().back().bytes(), 1));
  const int64_t chunk = std::clamp(limit / (kShare * kCopies * bytes), kFewest, kMost);
  at_once_ =
      static_cast<size_t>(std::clamp(kPackedTokens / (std::max(reach_.window, reach_.tail) + 1), int64_t{1}, chunk));
  first_ = {n()};
  int64_t to = std::max<int64_t>(0, std::min(n() - chunk, tail_begin() - memory_ - longest_));
  for (; first_.back() > 0; to = std::max<int64_t>(0, to - chunk)) first_.push_back(to);
  std::reverse(first_.begin(), first_.end());
  by_window_.resize(edits_.size());
  std::iota(by_window_.begin(), by_window_.end(), size_t{0});
  std::stable_sort(by_window_.begin(), by_window_.end(),
                   [&](size_t a, size_t b) { return window_end(edits_[a]) > window_end(edits_[b]); });
}

template <class R>
void Scan<R>::forward() {
  Runner runner(model_);
  SequenceState state = start_;
  int64_t read = 0;
  for (size_t k = 0; k + 1 < first_.size(); ++k) {
    const int64_t begin = read_from(k);
    const RunSequence some{tokens(read, begin), &state};
    runner.feed({&some, 1});
    read = begin;
    borders_.push(state);
    progress_.set(static_cast<uint64_t>(read));
  }
}

// A chunk's windows begin before it: what is read from there to its front is not run back again.
template <class R>
std::vector<SequenceState> Scan<R>::states_before(size_t k) {
  const int64_t begin = read_from(k), end = first_[k];
  const SequenceState border = borders_.at(k);
  if (begin == end) return {border};
  ChainedPass pass(model_, tokens(begin, end), border, room_, false);
  return pass.take_states();
}

template <class R>
void Scan<R>::back(size_t k) {
  throw_if_stopped();
  std::vector<SequenceState> states = states_before(k);
  const int64_t begin = first_[k], end = first_[k + 1];
  ChainedPass pass(model_, tokens(begin, end), states.back(), room_);
  Ctx& ctx = pass.ctx();
  if (end == n()) {
    const std::vector<double> seed = target_seed(model_, target_);  // [d_model]
    std::copy(seed.begin(), seed.end(), ctx.grad<R>(pass.h()) + (end - begin - 1) * ctx.cols(pass.h()));
  }
  pass.back(adjoint_);
  const Views<R> views = mixer_views<R>(ctx);
  reads_.resize(views.size());
  for (size_t l = 0; l < views.size(); ++l) views[l]->add_reads(ctx, begin, reads_[l]);
  states.pop_back();
  for (SequenceState& s : pass.take_states()) states.push_back(std::move(s));
  const Chunk chunk{states, read_from(k), begin, pass, views};
  if (end == n()) start_tail(chunk);
  while (next_ < by_window_.size() && window_end(edits_[by_window_[next_]]) >= begin) {
    size_t to = next_;
    while (to < by_window_.size() && to - next_ < at_once_ && window_end(edits_[by_window_[to]]) >= begin) ++to;
    run_windows(std::span(by_window_).subspan(next_, to - next_), chunk);
    next_ = to;
  }
  lead(chunk, begin);
  adjoint_ = pass.adjoint(0);
  progress_.set(static_cast<uint64_t>(2 * n() - begin));
}

template <class R>
void Scan<R>::start_tail(const Chunk& chunk) {
  transitions_.resize(chunk.views.size());
  at_ = std::max(tail_begin(), chunk.begin);
  run_to_the_end(chunk);
  if (reach_.tail == 0 || tail_begin() < chunk.begin) return;
  tail_state_ = text_state(chunk, at_);
  tail_adjoint_ = chunk.pass.adjoint(at_ - chunk.begin);
}

template <class R>
SequenceState Scan<R>::text_state(const Chunk& chunk, int64_t t) const {
  SequenceState state = chunk.states[static_cast<size_t>(t - chunk.read_from)];
  for (const auto& reads : reads_) {
    if (reads != nullptr) reads->complete(t, state);
  }
  return state;
}

// The transitions then start at `to`.
template <class R>
void Scan<R>::lead(const Chunk& chunk, int64_t to) {
  for (; at_ > to; --at_) {
    for (size_t l = 0; l < chunk.views.size() && linear_; ++l)
      linear_ = reads_[l] != nullptr || chunk.views[l]->lead(at_ - 1 - chunk.begin, transitions_[l]);
  }
}

// Edits near the target, all of whose later tokens are run.
template <class R>
void Scan<R>::run_to_the_end(const Chunk& chunk) {
  while (next_ < by_window_.size() && exact(edits_[by_window_[next_]])) {
    std::vector<size_t> some;
    std::vector<PackedSequence> runs;
    for (; some.size() < at_once_ && next_ < by_window_.size() && exact(edits_[by_window_[next_]]); ++next_) {
      some.push_back(by_window_[next_]);
      runs.push_back(edited(edits_[some.back()], chunk, n()));
    }
    const int64_t from = edits_[some.back()].position;
    runs.push_back({{tokens_.begin() + from, tokens_.end()}, text_state(chunk, from)});
    const std::vector<double> values = run_packed(model_, runs, pieces_, target_);
    for (size_t i = 0; i < some.size(); ++i) responses_[some[i]] = {values[i] - values.back(), true};
  }
}

// What the adjoint says of the change at the border, and what later tokens read of it directly.
template <class R>
double Scan<R>::middle(const Chunk& chunk, const ChangedRows& rows) {
  const SequenceState& text = chunk.states[static_cast<size_t>(rows.border - chunk.read_from)];
  const SequenceState& adjoint = chunk.pass.adjoint(rows.border - chunk.begin);
  const auto read_directly = [this](const std::string& slot) {
    return std::any_of(reads_.begin(), reads_.end(), [&](const auto& r) { return r != nullptr && r->holds(slot); });
  };
  double sum = 0;
  for (const auto& [slot, numbers] : adjoint.slots()) {
    if (read_directly(slot)) continue;
    take_change(rows.edited, text, slot, change_);
    sum += dot_with(adjoint, slot, change_);
  }
  for (const auto& reads : reads_) {
    if (reads != nullptr) sum += reads->response(rows, rows.border);
  }
  return sum;
}

// The changes of the state in front of the tail, by view and slot; *linear: what the adjoint says of them.
template <class R>
typename Scan<R>::Changes Scan<R>::carried(const Chunk& chunk, const ChangedRows& rows, double* linear) const {
  const SequenceState& text = chunk.states[static_cast<size_t>(rows.border - chunk.read_from)];
  Changes changes;
  for (size_t l = 0; l < chunk.views.size(); ++l) {
    if (reads_[l] != nullptr) {
      *linear += reads_[l]->response(rows, tail_begin());
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
SequenceState Scan<R>::tail_state(const ChangedRows& rows, const Changes& changes) const {
  SequenceState state = tail_state_;
  for (const auto& [slot, change] : changes) add_change(state, slot, change);
  for (const auto& reads : reads_) {
    if (reads != nullptr) reads->splice(rows, tail_begin(), state);
  }
  return state;
}

template <class R>
void Scan<R>::run_windows(std::span<const size_t> some, const Chunk& chunk) {
  std::vector<PackedSequence> runs, tails;
  std::vector<size_t> with_tail;
  for (size_t i : some) runs.push_back(edited(edits_[i], chunk, window_end(edits_[i])));
  run_packed(model_, runs, pieces_);
  const std::vector<int32_t> tail(tokens_.end() - reach_.tail, tokens_.end());
  for (size_t i = 0; i < some.size(); ++i) {
    const Edit& e = edits_[some[i]];
    const int64_t border = window_end(e);
    lead(chunk, border);
    for (const auto& view : chunk.views)
      view->align(runs[i].state, chunk.states[static_cast<size_t>(border - chunk.read_from)]);
    const ChangedRows rows{runs[i].state, e.position, border, std::ssize(runs[i].tokens)};
    ScanResponse& response = responses_[some[i]];
    response.middle = response.change = middle(chunk, rows);
    largest_ = std::max(largest_, std::abs(response.middle));
    if (linear_ && reach_.tail > 0) {
      const Changes changes = carried(chunk, rows, &response.end_linear);
      if (std::abs(response.end_linear) > kWorthATail * largest_) {
        tails.push_back({tail, tail_state(rows, changes)});
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
