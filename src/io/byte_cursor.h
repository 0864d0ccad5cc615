// Little-endian numbers out of untrusted bytes; every read is checked against what is left.
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/counted.h"
#include "base/error.h"

namespace hindscan {

class ByteCursor {
 public:
  ByteCursor(std::span<const uint8_t> bytes, std::string_view label, uint64_t at = 0)
      : bytes_(bytes), label_(label), at_(at) {
    check(at <= bytes.size(), ErrorCode::kData, "[{}] expected data at byte {}, found the end of {}; fetch it again",
          label, at, counted(bytes.size(), "byte"));
  }

  uint64_t at() const { return at_; }
  uint64_t left() const { return bytes_.size() - at_; }
  std::span<const uint8_t> take(uint64_t n) {
    check(n <= left(), ErrorCode::kData,
          "[{}] expected {} at byte {}, found {}; the file is cut short or damaged, fetch it again", label_,
          counted(n, "byte"), at_, left());
    const auto out = bytes_.subspan(at_, n);
    at_ += n;
    return out;
  }
  std::string_view text(uint64_t n) {
    const auto bytes = take(n);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  uint8_t u8() { return take(1)[0]; }
  uint16_t u16() { return read<uint16_t>(); }
  uint32_t u32() { return read<uint32_t>(); }
  uint64_t u64() { return read<uint64_t>(); }

 private:
  template <class T>
  T read() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::span<const uint8_t> bytes_;
  std::string_view label_;
  uint64_t at_;
};

}  // namespace hindscan
