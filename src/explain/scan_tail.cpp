#include "explain/scan_tail.h"

#include "explain/state_change.h"

namespace hindscan {

template <class R>
void ScanTail<R>::start(const BorderChunk<R>& chunk) {
  transitions_.resize(chunk.views.size());
  at_ = std::max(begin(), chunk.begin);
  if (length_ == 0 || begin() < chunk.begin) return;
  state_ = chunk.whole_state(at_);
  adjoint_ = chunk.adjoint(at_);
}

template <class R>
void ScanTail<R>::lead(const BorderChunk<R>& chunk, int64_t to) {
  for (; at_ > to; --at_) {
    for (size_t l = 0; l < chunk.views.size() && linear_; ++l)
      linear_ = chunk.reads[l] != nullptr || chunk.views[l]->lead(at_ - 1 - chunk.begin, transitions_[l]);
  }
}

template <class R>
void ScanTail<R>::take(const BorderChunk<R>& chunk, const ChangedRows& rows, Changes& changes) {
  size_t count = 0;
  for (size_t l = 0; l < chunk.views.size(); ++l) {
    if (chunk.reads[l] != nullptr) continue;
    for (const std::string& slot : chunk.views[l]->states()) {
      if (++count > changes.size()) changes.emplace_back();
      changes[count - 1].first = slot;
      take_change(*rows.edited, chunk.state(rows.border), slot, changes[count - 1].second);
    }
  }
  changes.resize(count);
}

template <class R>
double ScanTail<R>::carry(const BorderChunk<R>& chunk, Changes& changes) const {
  double sum = 0;
  auto change = changes.begin();
  for (size_t l = 0; l < chunk.views.size(); ++l) {
    if (chunk.reads[l] != nullptr) continue;
    for (size_t left = chunk.views[l]->states().size(); left > 0; --left, ++change) {
      chunk.views[l]->carry(transitions_[l], change->second.data());
      sum += dot_with(adjoint_, change->first, change->second);
    }
  }
  return sum;
}

template <class R>
bool ScanTail<R>::add(const BorderChunk<R>& chunk, const ChangedRows& rows, const Changes& changes) {
  SequenceState state = state_;
  for (const auto& [slot, change] : changes) add_change(state, slot, change);
  for (const auto& reads : chunk.reads) {
    if (reads != nullptr && !reads->splice(rows, begin(), std::ssize(text_), state)) return false;
  }
  added_.push_back({{text_.end() - length_, text_.end()}, std::move(state)});
  return true;
}

template <class R>
std::vector<double> ScanTail<R>::run(const Model& model, const TargetReport& target, PassRoom& room) {
  if (added_.empty()) return {};
  added_.push_back({{text_.end() - length_, text_.end()}, state_});
  std::vector<double> values = std::move(run_packed(model, added_, room, {&target, 1})[0]);
  added_.clear();
  const double unchanged = values.back();
  values.pop_back();
  for (double& value : values) value -= unchanged;
  return values;
}

template class ScanTail<float>;
template class ScanTail<double>;

}  // namespace hindscan
