// xxHash64 (Yann Collet's published algorithm): detects damage and changed inputs; not a cryptographic hash.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace hindscan {

namespace xxh {
inline constexpr uint64_t kP1 = 0x9e3779b185ebca87ull, kP2 = 0xc2b2ae3d27d4eb4full, kP3 = 0x165667b19e3779f9ull,
                          kP4 = 0x85ebca77c2b2ae63ull, kP5 = 0x27d4eb2f165667c5ull;
static_assert(std::endian::native == std::endian::little, "files are little-endian");

inline uint64_t read64(const uint8_t* p) {
  uint64_t v;
  std::memcpy(&v, p, 8);
  return v;
}
inline uint32_t read32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}
inline uint64_t round(uint64_t acc, uint64_t input) { return std::rotl(acc + input * kP2, 31) * kP1; }
inline uint64_t merge(uint64_t h, uint64_t acc) { return (h ^ round(0, acc)) * kP1 + kP4; }
}  // namespace xxh

inline uint64_t xxh64(std::span<const uint8_t> bytes, uint64_t seed = 0) {
  using namespace xxh;
  const uint8_t* p = bytes.data();
  size_t left = bytes.size();
  uint64_t h = seed + kP5;
  if (left >= 32) {
    uint64_t a = seed + kP1 + kP2, b = seed + kP2, c = seed, d = seed - kP1;
    for (; left >= 32; p += 32, left -= 32) {
      a = round(a, read64(p));
      b = round(b, read64(p + 8));
      c = round(c, read64(p + 16));
      d = round(d, read64(p + 24));
    }
    h = std::rotl(a, 1) + std::rotl(b, 7) + std::rotl(c, 12) + std::rotl(d, 18);
    h = merge(merge(merge(merge(h, a), b), c), d);
  }
  h += bytes.size();
  for (; left >= 8; p += 8, left -= 8) h = std::rotl(h ^ round(0, read64(p)), 27) * kP1 + kP4;
  for (; left >= 4; p += 4, left -= 4) h = std::rotl(h ^ (read32(p) * kP1), 23) * kP2 + kP3;
  for (; left > 0; ++p, --left) h = std::rotl(h ^ (*p * kP5), 11) * kP1;
  h = (h ^ (h >> 33)) * kP2;
  h = (h ^ (h >> 29)) * kP3;
  return h ^ (h >> 32);
}

inline uint64_t xxh64(std::string_view text, uint64_t seed = 0) {
  return xxh64(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()), seed);
}

inline std::string hash_hex(uint64_t h) {
  std::string out(16, '0');
  for (size_t i = 0; i < 16; ++i) out[i] = "0123456789abcdef"[(h >> (60 - 4 * i)) & 15];
  return out;
}

}  // namespace hindscan
