// tokenizer.json of Hugging Face: byte-level BPE (GPT-2, GPT-NeoX, Llama-3, Falcon kinds); and, in the same shape with
// model type "LongestMatch", greedy vocabularies (io/vocabulary_file.h).
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/added_tokens.h"
#include "io/bpe.h"
#include "io/longest_match.h"
#include "io/pre_tokenizer.h"
#include "io/unknown_text.h"

namespace hindscan {

// Where a text stands: the post-processor of the file (BOS, EOS) adds to the ends that are ends of the whole.
struct TextPlace {
  bool begins = true, ends = true;
};
inline constexpr TextPlace kWholeText{true, true}, kInsideText{false, false};

// Immutable after loading: encode and decode may run on several threads at once.
class Tokenizer {
 public:
  static Tokenizer load(const std::string& path);  // the file, or a directory that holds tokenizer.json
  static Tokenizer from_json(std::string_view text, std::string_view label);

  // Bytes that are not UTF-8 are encoded as they are. Error(kData) for text that has no token and nothing stands for;
  // *unknown counts what something does stand for.
  std::vector<int32_t> encode(std::string_view text, TextPlace place = kWholeText,
                              UnknownText* unknown = nullptr) const;

  // The exact bytes; encode(decode(ids)) need not give the same ids. Error(kData) for an id outside [0, vocab_size).
  std::string decode(std::span<const int32_t> ids) const;

  // The bytes one token stands for; an added token stands for its text. Empty for an id the file does not define.
  std::string_view token_bytes(int32_t id) const;

  int32_t vocab_size() const { return static_cast<int32_t>(tokens_.size()); }  // highest id + 1
  int32_t plain_size() const { return plain_size_; }                           // the same without the added tokens
  int32_t token_to_id(std::string_view bytes) const;  // by added text, else by bytes; -1 when absent
  int32_t eos_id() const { return eos_id_; }          // end-of-text token by its usual names; -1 when absent
  bool is_special(int32_t id) const;

 private:
  struct Loader;
  void encode_normalized(std::string_view text, size_t at, class WordEncoder& words, std::vector<int32_t>& ids,
                         UnknownText& unknown) const;
  const std::string& checked_token(int32_t id) const;
  int32_t find(const std::vector<int32_t>& sorted, std::string_view bytes) const;

  std::vector<std::string> tokens_;       // id -> bytes
  std::vector<int32_t> by_bytes_;         // ids of byte-level tokens, sorted by their bytes
  std::vector<int32_t> by_text_;          // ids of added tokens and other plain texts, sorted by their text
  std::vector<int32_t> special_;          // sorted
  std::vector<int32_t> prefix_, suffix_;  // of the post-processor
  AddedTokenMatcher raw_added_, normalized_added_;
  bool nfc_ = false, ignore_merges_ = false;
  PreTokenizer pre_tokenizer_;
  Bpe bpe_;
  LongestMatch longest_match_;  // used instead of the two when there is one
  int32_t eos_id_ = -1, plain_size_ = 0;

  friend class WordEncoder;
};

// Decodes token by token and never shows half a character.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}
  std::string push(int32_t id);  // valid UTF-8 that is complete now; U+FFFD for bytes that can never be
  std::string finish();          // what was held back

 private:
  const Tokenizer* tokenizer_;
  std::string held_;
};

}  // namespace hindscan
