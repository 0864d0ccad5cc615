// The difference of two states slot by slot, and what an adjoint says of it.
#pragma once
#include <algorithm>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "core/sequence_state.h"

namespace hindscan {

template <class R>
std::span<const R> numbers_of(const SequenceState& state, const std::string& slot) {
  const auto found = state.slots().find(slot);
  if (found == state.slots().end()) return {};
  return {reinterpret_cast<const R*>(found->second.bytes.data()), found->second.bytes.size() / sizeof(R)};
}

// state - from; a slot that is missing is zeros.
template <class R>
void take_change(const SequenceState& state, const SequenceState& from, const std::string& slot,
                 std::vector<R>& change) {
  const std::span<const R> a = numbers_of<R>(state, slot), b = numbers_of<R>(from, slot);
  change.assign(a.begin(), a.end());
  change.resize(std::max(a.size(), b.size()), R(0));
  for (size_t i = 0; i < b.size(); ++i) change[i] -= b[i];
}

template <class R>
std::vector<R> change_of(const SequenceState& state, const SequenceState& from, const std::string& slot) {
  std::vector<R> change;
  take_change(state, from, slot, change);
  return change;
}

// <adjoint, change>; a slot that the adjoint does not have is zeros.
template <class R>
double dot_with(const SequenceState& adjoint, const std::string& slot, const std::vector<R>& change) {
  const std::span<const R> a = numbers_of<R>(adjoint, slot);
  const size_t n = std::min(a.size(), change.size());
  constexpr size_t kLanes = 16;
  double sums[kLanes] = {};  // side by side
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) sums[j] += static_cast<double>(a[i + j]) * static_cast<double>(change[i + j]);
  }
  double sum = 0;
  for (; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(change[i]);
  return std::accumulate(sums, sums + kLanes, sum);
}

template <class R>
void add_change(SequenceState& state, const std::string& slot, const std::vector<R>& change) {
  const SequenceState::Slot& known = state.slots().at(slot);
  R* to = static_cast<R*>(state.put(slot, known.shape, known.dtype));
  for (size_t i = 0; i < change.size(); ++i) to[i] += change[i];
}

}  // namespace hindscan
