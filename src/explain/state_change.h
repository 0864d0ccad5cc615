// The difference of two states slot by slot, and what an adjoint says of it.
#pragma once
#include <algorithm>
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
std::vector<R> change_of(const SequenceState& state, const SequenceState& from, const std::string& slot) {
  const std::span<const R> a = numbers_of<R>(state, slot), b = numbers_of<R>(from, slot);
  std::vector<R> out(a.begin(), a.end());
  out.resize(std::max(a.size(), b.size()), R(0));
  for (size_t i = 0; i < b.size(); ++i) out[i] -= b[i];
  return out;
}

template <class R>
void add_change(SequenceState& state, const std::string& slot, const std::vector<R>& change) {
  const SequenceState::Slot& known = state.slots().at(slot);
  R* to = static_cast<R*>(state.put(slot, known.shape, known.dtype));
  for (size_t i = 0; i < change.size(); ++i) to[i] += change[i];
}

// <adjoint, change>; a slot that the adjoint does not have is zeros.
template <class R>
double dot_with(const SequenceState& adjoint, const std::string& slot, const std::vector<R>& change) {
  const std::span<const R> a = numbers_of<R>(adjoint, slot);
  double sum = 0;
  for (size_t i = 0; i < std::min(a.size(), change.size()); ++i)
    sum += static_cast<double>(a[i]) * static_cast<double>(change[i]);
  return sum;
}

}  // namespace hindscan
