#include "io/byte_level.h"

#include "base/utf8.h"

namespace hindscan {
namespace {

constexpr bool printable(uint32_t b) { return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE; }
constexpr uint32_t kHighest = 0x100 + 67;  // 68 bytes are not printable

constexpr std::array<uint32_t, 256> make_symbols() {
  std::array<uint32_t, 256> table{};
  uint32_t next = 0x100;
  for (uint32_t b = 0; b < 256; ++b) table[b] = printable(b) ? b : next++;
  return table;
}

constexpr std::array<int16_t, kHighest + 1> make_inverse() {
  std::array<int16_t, kHighest + 1> table{};
  for (auto& entry : table) entry = -1;
  const auto symbols = make_symbols();
  for (uint32_t b = 0; b < 256; ++b) table[symbols[b]] = static_cast<int16_t>(b);
  return table;
}

constexpr auto kSymbols = make_symbols();
constexpr auto kInverse = make_inverse();

}  // namespace

const std::array<uint32_t, 256>& byte_symbols() { return kSymbols; }

std::optional<std::string> bytes_of_symbols(std::string_view symbols) {
  std::string bytes;
  for (size_t pos = 0; pos < symbols.size();) {
    const Utf8Char c = decode_utf8(symbols, pos);
    if (!c.valid || c.code > kHighest || kInverse[c.code] < 0) return std::nullopt;
    bytes += static_cast<char>(kInverse[c.code]);
    pos += c.size;
  }
  return bytes;
}

std::string symbols_of_bytes(std::string_view bytes) {
  std::string symbols;
  for (const char b : bytes) append_utf8(symbols, kSymbols[static_cast<unsigned char>(b)]);
  return symbols;
}

}  // namespace hindscan
