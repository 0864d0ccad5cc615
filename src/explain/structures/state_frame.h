// States that stand relative to something carried beside them, put into the terms of another text's.
#pragma once
#include <cmath>

#include "explain/state_change.h"

namespace hindscan {

template <class R>
R* numbers_to_change(SequenceState& state, const std::string& slot) {
  const SequenceState::Slot& known = state.slots().at(slot);
  return static_cast<R*>(state.put(slot, known.shape, known.dtype));
}

// Slots that are kept as multiples of exp(maximum) change from the maximum of `state` to that of `to`. Each maximum
// [n] stands for a run of the slot's numbers.
template <class R>
void align_to_maximum(SequenceState& state, const SequenceState& to, const std::vector<std::string>& slots,
                      const std::string& maximum) {
  const std::span<const R> own = numbers_of<R>(state, maximum), other = numbers_of<R>(to, maximum);
  if (own.empty() || own.size() != other.size()) return;
  for (const std::string& slot : slots) {
    R* p = numbers_to_change<R>(state, slot);
    const size_t each = numbers_of<R>(state, slot).size() / own.size();
    for (size_t i = 0; i < each * own.size(); ++i) p[i] *= std::exp(own[i / each] - other[i / each]);
  }
  std::copy(other.begin(), other.end(), numbers_to_change<R>(state, maximum));
}

// Slots whose keys [..., H, K, width] were turned by the phase [H, S] of `state` stand afterwards as turned by that of
// `to`. Pairs as in ops::rotate: (2s, 2s + 1) or (s, s + K / 2).
template <class R>
void turn_back(SequenceState& state, const SequenceState& to, const std::string& phase, bool interleaved, int64_t K,
               const std::vector<std::pair<std::string, int64_t>>& slots_and_widths) {
  const std::vector<R> by = change_of<R>(state, to, phase);  // [H, S]
  const int64_t H = to.slots().at(phase).shape[0], S = std::ssize(by) / H;
  for (const auto& [slot, width] : slots_and_widths) {
    R* keys = numbers_to_change<R>(state, slot);
    const int64_t groups = std::ssize(numbers_of<R>(state, slot)) / (K * width);
    for (int64_t i = 0; i < groups * S; ++i) {
      const int64_t s = i % S, first = interleaved ? 2 * s : s, second = interleaved ? 2 * s + 1 : s + K / 2;
      const double angle = static_cast<double>(by[static_cast<size_t>(i / S % H * S + s)]);
      const R c = static_cast<R>(std::cos(angle)), sine = static_cast<R>(std::sin(angle));
      R *a = keys + (i / S * K + first) * width, *b = keys + (i / S * K + second) * width;
      for (int64_t v = 0; v < width; ++v) {
        const R x = a[v], y = b[v];
        a[v] = c * x + sine * y;
        b[v] = c * y - sine * x;
      }
    }
  }
  const std::span<const R> other = numbers_of<R>(to, phase);
  std::copy(other.begin(), other.end(), numbers_to_change<R>(state, phase));
}

}  // namespace hindscan
