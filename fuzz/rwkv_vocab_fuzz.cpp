// A vocabulary file (World lines, characters, JSON), NUL, a text; or, without NUL, the text of a fixed vocabulary.
#include "fuzz_util.h"
#include "io/tokenizer.h"
#include "io/vocabulary_file.h"

using namespace hindscan;

namespace {

// Greedy tokens cover the text exactly.
void check_text(const Tokenizer& tokenizer, std::string_view text) {
  const std::vector<int32_t> ids = tokenizer.encode(text);
  for (const int32_t id : ids) require(id >= 0 && id < tokenizer.vocab_size() && !tokenizer.token_bytes(id).empty());
  require(tokenizer.decode(ids) == text);
}

void check_vocabulary(std::string_view file, const std::string& label, std::string_view text) {
  const Tokenizer tokenizer = Tokenizer::from_json(tokenizer_json_of_vocabulary(file, label), label);
  for (int32_t id = 0; id < std::min(tokenizer.vocab_size(), 100); ++id) {
    const std::string_view bytes = tokenizer.token_bytes(id);
    if (!bytes.empty()) require(tokenizer.token_to_id(bytes) == id);
  }
  check_text(tokenizer, text);
}

const Tokenizer& fixed() {
  static const Tokenizer tokenizer = [] {
    std::vector<std::string> tokens(1);
    for (int b = 0; b < 256; ++b) tokens.emplace_back(1, static_cast<char>(b));
    for (const char* word : {"ab", "abc", "abcd", "bc", "\xc3\xa9", "  ", "    ", "\n\n", "the", " the"})
      tokens.emplace_back(word);
    return Tokenizer::from_json(longest_match_json(tokens, true), "fixed");
  }();
  return tokenizer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input = as_text(data, size);
  const size_t zero = input.find('\0');
  if (zero == std::string_view::npos) {
    check_text(fixed(), input);
    return 0;
  }
  for (const char* label : {"vocab.txt", "vocab.json"}) {
    allow_refusal([&] { check_vocabulary(input.substr(0, zero), label, input.substr(zero + 1)); });
  }
  return 0;
}
