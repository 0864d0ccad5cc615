// Storage types of weights, and bf16/f16 conversion.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>

namespace hindscan {

enum class DType : uint8_t { kF32, kBF16, kF16, kF64 };

constexpr size_t dtype_size(DType d) { return d == DType::kF64 ? 8 : d == DType::kF32 ? 4 : 2; }
constexpr const char* dtype_name(DType d) {
  return d == DType::kF64 ? "f64" : d == DType::kF32 ? "f32" : d == DType::kBF16 ? "bf16" : "f16";
}

inline float bf16_to_float(uint16_t v) { return std::bit_cast<float>(uint32_t{v} << 16); }
// Round to nearest even; NaN stays NaN.
inline uint16_t float_to_bf16(float f) {
  const uint32_t u = std::bit_cast<uint32_t>(f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((u >> 16) | 0x40u);
  return static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
float f16_to_float(uint16_t v);
uint16_t float_to_f16(float f);  // round to nearest even, overflow to infinity

}  // namespace hindscan
