// Linear scanner for the one JSON shape a safetensors header may have; memory stays below that of a JSON tree.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace hindscan {

// Strings, unsigned integers and punctuation, with the byte offset in every message.
class HeaderScanner {
 public:
  HeaderScanner(std::string_view text, std::string_view label) : text_(text), label_(label) {}

  void skip_space();
  bool accept(char c);  // after white space
  void expect(char c);
  bool at_end();
  uint64_t read_unsigned();  // no sign, no leading zero, at most UINT64_MAX
  std::string read_string(size_t max_bytes);
  [[noreturn]] void fail_here(std::string_view expected) const;

 private:
  uint32_t read_hex4();
  void read_escape(std::string& out);
  std::string_view text_, label_;
  size_t pos_ = 0;
};

}  // namespace hindscan
