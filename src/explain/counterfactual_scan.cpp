#include "explain/counterfactual_scan.h"

#include <algorithm>
#include <numeric>

#include "base/memory.h"
#include "base/signals.h"
#include "explain/chained_pass.h"
#include "explain/packed_run.h"
#include "explain/reverse_method.h"
#include "explain/reverse_walk.h"
#include "explain/state_change.h"
#include "explain/target.h"

namespace hindscan {

namespace {

constexpr int64_t kPackedTokens = 1024;  // of a pass over edited pieces, where memory allows

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
  int64_t window_end(const Edit& e) const { return e.position + 1 + reach_.window; }
  bool exact(const Edit& e) const { return window_end(e) > tail_begin() - memory_; }

  void plan(int64_t limit);
  void forward();
  void back(size_t k);
  void run_to_the_end(std::span<const SequenceState> states, int64_t begin);
  void run_windows(std::span<const size_t> some, std::span<const SequenceState> states, int64_t begin,
                   const ChainedPass& pass, const Views<R>& views);
  void lead(const Views<R>& views, int64_t begin, int64_t to);
  PackedSequence edited(const Edit& e, const SequenceState& before, int64_t end) const;
  SequenceState carried(SequenceState& behind, const SequenceState& text, const Views<R>& views, double* linear) const;

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
  std::vector<SequenceState> borders_;  // in front of what a chunk reads: of its windows, too
  SequenceState adjoint_;               // of the state in front of the chunk that was read last
  SequenceState tail_state_, tail_adjoint_;
  std::vector<Transition<R>> transitions_;  // of each view: from at_ to the tail
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
  constexpr int64_t kShare = 4, kCopies = 6, kFewest = 16, kMost = 256;  // of the limit; of a state, for each token
  ChainedPass first(model_, tokens_.first(1), start_, room_);
  memory_ = memory_of(first.ctx());
  const auto bytes = static_cast<int64_t>(std::max<size_t>(first.take_states().back().bytes(), 1));
  const int64_t chunk = std::clamp(limit / (kShare * kCopies * bytes), kFewest, kMost);
  at_once_ =
      static_cast<size_t>(std::clamp(kPackedTokens / (std::max(reach_.window, reach_.tail) + 1), int64_t{1}, chunk));
  first_ = {n()};
  int64_t to = std::max<int64_t>(0, std::min(n() - chunk, tail_begin() - memory_ - 1));
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
    const int64_t begin = std::max<int64_t>(0, first_[k] - reach_.window - 1);
    const RunSequence some{tokens_.subspan(static_cast<size_t>(read), static_cast<size_t>(begin - read)), &state};
    runner.feed({&some, 1});
    read = begin;
    borders_.push_back(state);
    progress_.set(static_cast<uint64_t>(read));
  }
}

template <class R>
void Scan<R>::back(size_t k) {
  throw_if_stopped();
  const int64_t begin = std::max<int64_t>(0, first_[k] - reach_.window - 1), end = first_[k + 1];
  ChainedPass pass(model_, tokens_.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)), borders_[k],
                   room_);
  Ctx& ctx = pass.ctx();
  const bool last = end == n();
  if (last) {
    const std::vector<double> seed = target_seed(model_, target_);  // [d_model]
    std::copy(seed.begin(), seed.end(), ctx.grad<R>(pass.h()) + (end - begin - 1) * ctx.cols(pass.h()));
  }
  pass.back(adjoint_);
  const Views<R> views = mixer_views<R>(ctx);
  const std::vector<SequenceState> states = pass.take_states();
  if (last) {
    run_to_the_end(states, begin);
    transitions_.resize(views.size());
    at_ = std::max<int64_t>(0, tail_begin());
    if (reach_.tail > 0 && at_ >= begin) {
      tail_state_ = states[static_cast<size_t>(at_ - begin)];
      tail_adjoint_ = pass.adjoint(at_ - begin);
    }
  }
  while (next_ < by_window_.size() && window_end(edits_[by_window_[next_]]) >= first_[k]) {
    size_t to = next_;
    while (to < by_window_.size() && to - next_ < at_once_ && window_end(edits_[by_window_[to]]) >= first_[k]) ++to;
    run_windows(std::span(by_window_).subspan(next_, to - next_), states, begin, pass, views);
    next_ = to;
  }
  lead(views, begin, std::max(first_[k], int64_t{0}));
  adjoint_ = pass.adjoint(first_[k] - begin);
  progress_.set(static_cast<uint64_t>(2 * n() - first_[k]));
}

// The transitions then start at `to`.
template <class R>
void Scan<R>::lead(const Views<R>& views, int64_t begin, int64_t to) {
  for (; at_ > to; --at_) {
    for (size_t l = 0; l < views.size() && linear_; ++l) linear_ = views[l]->lead(at_ - 1 - begin, transitions_[l]);
  }
}

// The edited text from the edit to before token `end`.
template <class R>
PackedSequence Scan<R>::edited(const Edit& e, const SequenceState& before, int64_t end) const {
  PackedSequence s{{}, before};
  if (e.kind == EditKind::kReplace)
    s.tokens.push_back(e.replacement);
  else
    s.state.tokens += 1;  // those behind keep their positions
  s.tokens.insert(s.tokens.end(), tokens_.begin() + e.position + 1, tokens_.begin() + end);
  return s;
}

// Edits near the target, of the chunk that begins at `begin`.
template <class R>
void Scan<R>::run_to_the_end(std::span<const SequenceState> states, int64_t begin) {
  size_t to = next_;
  while (to < by_window_.size() && exact(edits_[by_window_[to]])) ++to;
  for (; next_ < to; next_ += std::min(at_once_, to - next_)) {
    const auto some = std::span(by_window_).subspan(next_, std::min(at_once_, to - next_));
    std::vector<PackedSequence> runs;
    for (size_t i : some)
      runs.push_back(edited(edits_[i], states[static_cast<size_t>(edits_[i].position - begin)], n()));
    const int64_t from = edits_[some.back()].position;
    runs.push_back({{tokens_.begin() + from, tokens_.end()}, states[static_cast<size_t>(from - begin)]});
    const std::vector<double> values = run_packed(model_, runs, pieces_, target_);
    for (size_t i = 0; i < some.size(); ++i) responses_[some[i]] = {values[i] - values.back(), true};
  }
}

// The state in front of the tail, where the change behind the window has gone on; `behind` is aligned with the text's.
template <class R>
SequenceState Scan<R>::carried(SequenceState& behind, const SequenceState& text, const Views<R>& views,
                               double* linear) const {
  SequenceState out = tail_state_;
  for (size_t l = 0; l < views.size(); ++l) {
    for (const std::string& slot : views[l]->states()) {
      std::vector<R> change = change_of<R>(behind, text, slot);
      views[l]->carry(transitions_[l], change.data());
      *linear += dot_with<R>(tail_adjoint_, slot, change);
      add_change(out, slot, change);
    }
  }
  return out;
}

template <class R>
void Scan<R>::run_windows(std::span<const size_t> some, std::span<const SequenceState> states, int64_t begin,
                          const ChainedPass& pass, const Views<R>& views) {
  std::vector<PackedSequence> runs, tails;
  for (size_t i : some) {
    const Edit& e = edits_[i];
    runs.push_back(edited(e, states[static_cast<size_t>(e.position - begin)], window_end(e)));
  }
  run_packed(model_, runs, pieces_);
  for (size_t i = 0; i < some.size(); ++i) {
    const int64_t border = window_end(edits_[some[i]]);
    SequenceState& behind = runs[i].state;
    const SequenceState& text = states[static_cast<size_t>(border - begin)];
    lead(views, begin, border);
    for (const auto& view : views) view->align(behind, text);
    ScanResponse& response = responses_[some[i]];
    response.middle = response.change = dot_with_change<R>(pass.adjoint(border - begin), behind, text);
    if (!linear_ || reach_.tail == 0) continue;
    tails.push_back(
        {{tokens_.begin() + tail_begin(), tokens_.end()}, carried(behind, text, views, &response.end_linear)});
    behind = {};
  }
  if (tails.empty()) return;
  tails.push_back({{tokens_.begin() + tail_begin(), tokens_.end()}, tail_state_});
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
  check(model.arch().sizes().feature_dim == 0 && model.arch().sizes().labels == 0, ErrorCode::kUsage,
        "[scan] expected a model of tokens that predicts the next one, found one that judges texts or reads vectors; "
        "its edits can be run whole");
  for (const Edit& e : edits)
    check(e.position >= 0 && e.position <= target.position && e.kind != EditKind::kDropWrite &&
              (e.kind != EditKind::kRemove || e.position < target.position),
          ErrorCode::kUsage,
          "[scan] expected tokens 0..{} to replace or, but the last, to remove, found {} of token {}", target.position,
          edit_name(e.kind), e.position);
  return model.compute() == DType::kF64 ? Scan<double>(model, r, target, edits, reach, progress).run()
                                        : Scan<float>(model, r, target, edits, reach, progress).run();
}

}  // namespace hindscan
