// Arithmetic on numbers read from files: overflow is remembered instead of wrapping.
#pragma once
#include <cstdint>
#include <optional>

namespace hindscan {

constexpr std::optional<uint64_t> checked_add(uint64_t a, uint64_t b) {
  uint64_t r = 0;
  if (__builtin_add_overflow(a, b, &r)) return std::nullopt;
  return r;
}

constexpr std::optional<uint64_t> checked_mul(uint64_t a, uint64_t b) {
  uint64_t r = 0;
  if (__builtin_mul_overflow(a, b, &r)) return std::nullopt;
  return r;
}

// Rounds up to a multiple of `alignment` (a power of two); nullopt for any other alignment or on overflow.
constexpr std::optional<uint64_t> checked_align(uint64_t a, uint64_t alignment) {
  if (alignment == 0 || (alignment & (alignment - 1)) != 0) return std::nullopt;
  const auto sum = checked_add(a, alignment - 1);
  if (!sum) return std::nullopt;
  return *sum & ~(alignment - 1);
}

// A whole number within int64; nullopt for NaN, infinities and what lies outside. A fraction is cut off.
constexpr std::optional<int64_t> checked_int(double v) {
  constexpr double kEnd = 9223372036854775808.0;  // 2^63
  if (!(v >= -kEnd && v < kEnd)) return std::nullopt;
  return static_cast<int64_t>(v);
}

// The product of sizes, none of them negative.
template <class Range>
constexpr std::optional<int64_t> checked_product(const Range& sizes) {
  int64_t product = 1;
  bool zero = false;
  for (const int64_t size : sizes) {
    if (size < 0) return std::nullopt;
    zero = zero || size == 0;
    if (size > 0 && __builtin_mul_overflow(product, size, &product)) return std::nullopt;
  }
  return zero ? 0 : product;
}

// A u64 that carries "has overflowed" through a whole expression: (Checked(a) * b + c).value().
class Checked {
 public:
  constexpr Checked(uint64_t v) : value_(v) {}  // NOLINT: implicit, so that literals mix in
  constexpr std::optional<uint64_t> value() const { return value_; }
  constexpr bool ok() const { return value_.has_value(); }

  friend constexpr Checked operator+(Checked a, Checked b) {
    return a.ok() && b.ok() ? Checked(checked_add(*a.value_, *b.value_)) : Checked(std::nullopt);
  }
  friend constexpr Checked operator*(Checked a, Checked b) {
    return a.ok() && b.ok() ? Checked(checked_mul(*a.value_, *b.value_)) : Checked(std::nullopt);
  }

 private:
  constexpr explicit Checked(std::optional<uint64_t> v) : value_(v) {}
  std::optional<uint64_t> value_;
};

}  // namespace hindscan
