#include "explain/border_walk.h"

#include <algorithm>

#include "base/signals.h"

namespace hindscan {

template <class R>
SequenceState BorderChunk<R>::whole_state(int64_t t) const {
  SequenceState out = state(t);
  for (const auto& of_view : reads) {
    if (of_view != nullptr) of_view->complete(t, out);
  }
  return out;
}

template <class R>
BorderWalk<R>::BorderWalk(const Model& model, std::span<const int32_t> tokens, const SequenceState& start,
                          const Plan& plan)
    : model_(model), tokens_(tokens), start_(start), lead_in_(plan.lead_in), first_{std::ssize(tokens)} {
  int64_t to = std::max<int64_t>(0, std::min(std::ssize(tokens) - plan.chunk, plan.last_begin));
  for (; first_.back() > 0; to = std::max<int64_t>(0, to - plan.chunk)) first_.push_back(to);
  std::reverse(first_.begin(), first_.end());
}

template <class R>
void BorderWalk<R>::run(std::span<const double> seed, const std::function<void(const BorderChunk<R>&)>& visit,
                        ProgressTask& progress) {
  forward(progress);
  for (size_t k = borders_.size(); k-- > 0;) {
    back(k, seed, visit);
    progress.set(static_cast<uint64_t>(2 * std::ssize(tokens_) - first_[k]));
  }
}

template <class R>
void BorderWalk<R>::forward(ProgressTask& progress) {
  Runner runner(model_);
  SequenceState state = start_;
  int64_t read = 0;
  for (size_t k = 0; k + 1 < first_.size(); ++k) {
    const int64_t begin = states_from(k);
    const RunSequence some{tokens(read, begin), &state};
    runner.feed({&some, 1});
    read = begin;
    borders_.push(state);
    progress.set(static_cast<uint64_t>(read));
  }
}

// What is read from there to the chunk's front is not run back again.
template <class R>
std::vector<SequenceState> BorderWalk<R>::states_before(size_t k) {
  const int64_t begin = states_from(k), end = first_[k];
  const SequenceState border = borders_.at(k);
  if (begin == end) return {border};
  ChainedPass pass(model_, tokens(begin, end), border, room_, false);
  return pass.take_states();
}

template <class R>
void BorderWalk<R>::back(size_t k, std::span<const double> seed,
                         const std::function<void(const BorderChunk<R>&)>& visit) {
  throw_if_stopped();
  std::vector<SequenceState> states = states_before(k);
  const int64_t begin = first_[k], end = first_[k + 1];
  ChainedPass pass(model_, tokens(begin, end), states.back(), room_);
  Ctx& ctx = pass.ctx();
  if (end == std::ssize(tokens_))
    std::copy(seed.begin(), seed.end(), ctx.grad<R>(pass.h()) + (end - begin) * ctx.cols(pass.h()) - std::ssize(seed));
  pass.back(adjoint_);
  const Views<R> views = mixer_views<R>(ctx);
  reads_.resize(views.size());
  for (size_t l = 0; l < views.size(); ++l) views[l]->add_reads(ctx, begin, reads_[l]);
  states.pop_back();
  for (SequenceState& s : pass.take_states()) states.push_back(std::move(s));
  visit({begin, end, states_from(k), states, pass, views, reads_});
  adjoint_ = pass.adjoint(0);
}

template struct BorderChunk<float>;
template struct BorderChunk<double>;
template class BorderWalk<float>;
template class BorderWalk<double>;

}  // namespace hindscan
