// What a file from outside may cost. Its reader draws bytes, products and depth here before it takes memory or time.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace hindscan {

namespace limit {
constexpr uint64_t operator""_MiB(unsigned long long n) { return uint64_t{n} << 20; }
#define HS_LIMIT(name, value, shown, what) inline constexpr uint64_t name = value;
#include "base/limits.def"
#undef HS_LIMIT
}  // namespace limit

class Budget {
 public:
  // For what is made of a file of so many bytes: limit::kFloorBytes, or limit::kBytesPerByte for each if that is more.
  Budget(std::string_view label, uint64_t file_bytes);
  // For the user's own data (texts to train on, features): what the machine has available.
  static Budget of_machine(std::string_view label);

  uint64_t left() const { return left_; }
  // Error(kResource) when `count` pieces of `each` bytes are more than what is left.
  void take(uint64_t count, uint64_t each, std::string_view what);
  // Of a thing that comes in numbers: Error(kData) beyond `most`.
  void count(uint64_t found, uint64_t most, std::string_view what) const;
  // The product, Error(kData) when it overflows or exceeds `most`.
  uint64_t product(std::initializer_list<uint64_t> factors, uint64_t most, std::string_view what) const;

  // One level deeper for as long as it lives; Error(kData) beyond limit `most`.
  class Level {
   public:
    Level(Budget& budget, uint64_t most, std::string_view what);
    ~Level() { --budget_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Budget& budget_;
  };

 private:
  std::string label_;
  uint64_t all_, left_, depth_ = 0;
};

}  // namespace hindscan
