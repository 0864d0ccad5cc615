// What an encoding could not say with the vocabulary it has.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace hindscan {

// Characters that a vocabulary has no tokens for. What stands for them is its unknown token, or U+FFFD.
struct UnknownText {
  int64_t count = 0;
  size_t first = 0;  // byte of the text
  std::string sample, stands_in;
  void add(const UnknownText& other);
};
std::string to_text(const UnknownText& unknown);  // one sentence, with the next step

}  // namespace hindscan
