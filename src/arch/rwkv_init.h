// Initialisations that the RWKV releases share (RWKV-LM, model.py).
#pragma once
#include <cmath>
#include <cstdint>
#include <functional>

#include "core/weights.h"

namespace hindscan::rwkv {

// Where a layer stands in the stack.
struct Depth {
  int64_t layer, layers;
  double zero_to_one() const { return layers > 1 ? static_cast<double>(layer) / static_cast<double>(layers - 1) : 0; }
  double one_to_zero() const { return 1 - static_cast<double>(layer) / static_cast<double>(layers); }
};

// value(n, C) of channel n.
inline Init per_channel(std::function<double(double n, double C)> value) {
  return Init::custom([value = std::move(value)](std::span<double> out, const std::vector<int64_t>&, Rng&) {
    for (size_t n = 0; n < out.size(); ++n) out[n] = value(static_cast<double>(n), static_cast<double>(out.size()));
  });
}

// Share of the token itself in its mix with the one before: (n / C)^power + add; shifted: 1 - that (RWKV-6, 7).
inline Init mix_share(double power, double add = 0) {
  return per_channel([=](double n, double C) { return std::pow(n / C, power) + add; });
}
inline Init shifted_share(double power, double add = 0) {
  return per_channel([=](double n, double C) { return 1 - std::pow(n / C, power) - add; });
}

// low + span (n / (C - 1))^power
inline Init decay_ramp(double low, double span, double power) {
  return per_channel([=](double n, double C) { return low + span * std::pow(C > 1 ? n / (C - 1) : 0, power); });
}

inline double zigzag3(double n) { return std::fmod(n + 1, 3) - 1; }  // 0, 1, -1, 0, ...

// Weight of the current token in RWKV-5 and 6.
inline Init current_token_ramp(Depth d) {
  return per_channel(
      [=](double n, double C) { return d.zero_to_one() * (1 - (C > 1 ? n / (C - 1) : 0)) + 0.1 * zigzag3(n); });
}

inline Init head_norm(Depth d) {
  return Init::constant(std::pow(static_cast<double>(1 + d.layer) / static_cast<double>(d.layers), 0.7));
}

// Orthogonal with the gain of the taller matrices, as RWKV-4's projections and RWKV-7's second low-rank factors have
// it.
inline Init tall_orthogonal(double scale, int64_t rows, int64_t cols) {
  return Init::orthogonal(rows > cols ? scale * std::sqrt(static_cast<double>(rows) / static_cast<double>(cols))
                                      : scale);
}

}  // namespace hindscan::rwkv
