// Numbers for the tests of kernels: mild and heavy-tailed, packed and in rows wider than their matrix.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

#include "base/rng.h"

namespace hindscan {

// Real activations have outliers: a kernel that is right only for numbers of one size is wrong.
enum class Law : uint8_t { kNormal, kLognormal, kCauchy };
inline constexpr Law kLaws[] = {Law::kNormal, Law::kLognormal, Law::kCauchy};
inline const char* law_name(Law law) {
  return law == Law::kNormal ? "normal" : law == Law::kLognormal ? "lognormal" : "cauchy";
}

// The normal number z as one of another law, of the same sign; nothing beyond what 1e5 draws reach.
inline double tailed(double z, Law law) {
  if (law == Law::kNormal || !std::isfinite(z) || z == 0) return z;
  if (law == Law::kCauchy) return std::tan(std::numbers::pi / 2 * std::erf(std::clamp(z, -4.5, 4.5) / std::sqrt(2.0)));
  return std::copysign(std::exp(2 * Rng(std::bit_cast<uint64_t>(z)).normal()), z);
}

template <class R>
std::vector<R> tailed(std::vector<R> normals, Law law) {
  for (R& x : normals) x = static_cast<R>(static_cast<float>(tailed(static_cast<double>(x), law)));
  return normals;
}

// n numbers that floats hold, the same on every machine.
template <class R = float>
std::vector<R> draws(int64_t n, uint64_t seed, Law law = Law::kNormal, double scale = 1) {
  Rng rng(seed);
  std::vector<R> out(static_cast<size_t>(n));
  for (R& x : out) x = static_cast<R>(static_cast<float>(scale * tailed(rng.normal(), law)));
  return out;
}

template <class R>
std::vector<R> not_a_number(int64_t n) {
  return std::vector<R>(static_cast<size_t>(n), std::numeric_limits<R>::quiet_NaN());
}

// A matrix [rows, width] in rows of `stride` numbers; what lies between is NaN, so that a kernel that reads it shows
// it.
template <class R>
std::vector<R> strided(const std::vector<R>& packed, int64_t rows, int64_t width, int64_t stride) {
  std::vector<R> out = not_a_number<R>(rows * stride);
  for (int64_t i = 0; i < rows * width; ++i)
    out[static_cast<size_t>(i / width * stride + i % width)] = packed[static_cast<size_t>(i)];
  return out;
}

// The matrix taken out again.
template <class R>
std::vector<R> packed(const std::vector<R>& strided, int64_t rows, int64_t width, int64_t stride) {
  std::vector<R> out(static_cast<size_t>(rows * width));
  for (int64_t i = 0; i < rows * width; ++i)
    out[static_cast<size_t>(i)] = strided[static_cast<size_t>(i / width * stride + i % width)];
  return out;
}

// Whether everything between the rows is still the NaN that strided() put there.
template <class R>
bool gaps_kept(const std::vector<R>& strided, int64_t rows, int64_t width, int64_t stride) {
  for (int64_t i = 0; i < rows * stride; ++i) {
    if (i % stride >= width && !std::isnan(strided[static_cast<size_t>(i)])) return false;
  }
  return true;
}

}  // namespace hindscan
