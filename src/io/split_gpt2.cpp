#include "io/pre_tokenizer.h"
#include "io/unicode_class.h"

namespace hindscan {

const std::string_view kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

// Length of 's 't 'm 'd 're 've 'll at text[pos], or 0.
size_t contraction(std::string_view text, size_t pos) {
  const std::string_view rest = text.substr(pos, 3);
  if (rest.size() < 2 || rest[0] != '\'') return 0;
  if (rest[1] == 's' || rest[1] == 't' || rest[1] == 'm' || rest[1] == 'd') return 2;
  const std::string_view two = rest.substr(1);
  return two == "re" || two == "ve" || two == "ll" ? 3 : 0;
}

size_t run_end(std::string_view text, size_t pos, CharClass cls) {
  while (pos < text.size()) {
    const ClassifiedChar c = classify_at(text, pos);
    if (c.cls != cls) break;
    pos += c.size;
  }
  return pos;
}

// \s+(?!\S)|\s+ : all white space, but its last character stays for the next piece when text follows.
size_t space_end(std::string_view text, size_t begin) {
  size_t pos = begin, last = begin;
  while (pos < text.size()) {
    const ClassifiedChar c = classify_at(text, pos);
    if (c.cls != CharClass::kSpace) break;
    last = pos;
    pos += c.size;
  }
  return pos == text.size() || last == begin ? pos : last;
}

size_t piece_end(std::string_view text, size_t begin) {
  const size_t shortened = contraction(text, begin);
  if (shortened != 0) return begin + shortened;
  const size_t first = begin + (text[begin] == ' ' ? 1 : 0);
  if (first == text.size()) return first;
  const ClassifiedChar c = classify_at(text, first);
  return c.cls == CharClass::kSpace ? space_end(text, begin) : run_end(text, first + c.size, c.cls);
}

}  // namespace

void split_gpt2(std::string_view text, const PieceFn& piece) {
  for (size_t pos = 0; pos < text.size();) {
    const size_t end = piece_end(text, pos);
    piece(text.substr(pos, end - pos));
    pos = end;
  }
}

}  // namespace hindscan
