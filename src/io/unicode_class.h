// Character classes as the pre-tokenizers of Hugging Face use them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hindscan {

enum class CharClass : uint8_t { kOther, kLetter, kNumber, kSpace };  // \p{L}, \p{N}, \s; an invalid byte is kOther

struct ClassifiedChar {
  CharClass cls;
  uint8_t size;  // bytes
};

CharClass classify_code(uint32_t code);
ClassifiedChar classify_at(std::string_view text, size_t pos);

bool is_space(uint32_t code);        // White_Space
bool is_punctuation(uint32_t code);  // \p{P} or ASCII punctuation
bool is_word(uint32_t code);         // \w

}  // namespace hindscan
