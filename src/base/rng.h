// Counter-based random numbers (SplitMix64 finaliser): stream (seed, name) is reproducible everywhere and needs no
// warm-up.
#pragma once
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace hindscan {

inline uint64_t mix64(uint64_t z) {
  z += 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

class Rng {
 public:
  explicit Rng(uint64_t seed, std::string_view stream = {}, uint64_t counter = 0)
      : key_(mix64(seed)), counter_(counter) {
    for (char c : stream) key_ = mix64(key_ ^ static_cast<unsigned char>(c));
  }
  uint64_t next() { return mix64(key_ ^ mix64(counter_++)); }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }  // [0, 1)
  uint64_t below(uint64_t n) { return static_cast<uint64_t>(uniform() * static_cast<double>(n)); }
  double normal() {  // Box-Muller, one of the pair
    const double r = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return r * std::cos(2.0 * std::numbers::pi * uniform());
  }
  uint64_t counter() const { return counter_; }  // with the seed and stream: the whole state, for exact resume

 private:
  uint64_t key_;
  uint64_t counter_;
};

}  // namespace hindscan
