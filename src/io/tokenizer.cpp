#include "io/tokenizer.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "base/utf8.h"
#include "io/nfc.h"

namespace hindscan {
namespace {

constexpr size_t kCacheFrom = 4096;  // shorter texts repeat too few words to pay for a cache

// Direct-mapped, fixed size: the words of ordinary text are few and short.
class WordCache {
 public:
  struct Slot {
    uint8_t key_size = 0, count = 0;
    char key[22] = {};
    int32_t ids[10] = {};
  };
  WordCache() : slots_(size_t{1} << 16) {}

  static bool fits(std::string_view word) { return word.size() <= sizeof Slot::key && !word.empty(); }
  Slot& slot(std::string_view word) {
    uint64_t h = 0xCBF29CE484222325u ^ word.size();
    for (const char c : word) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    return slots_[(h * 0x9E3779B97F4A7C15u) >> 48];
  }
  static bool holds(const Slot& slot, std::string_view word) {
    return slot.key_size == word.size() && std::memcmp(slot.key, word.data(), word.size()) == 0;
  }
  static void store(Slot& slot, std::string_view word, std::span<const int32_t> ids) {
    if (ids.size() > std::size(slot.ids)) return;
    slot.key_size = static_cast<uint8_t>(word.size());
    slot.count = static_cast<uint8_t>(ids.size());
    std::copy(word.begin(), word.end(), slot.key);
    std::copy(ids.begin(), ids.end(), slot.ids);
  }

 private:
  std::vector<Slot> slots_;
};

}  // namespace

// Encodes the words of one call.
class WordEncoder {
 public:
  WordEncoder(const Tokenizer& tokenizer, std::vector<int32_t>& out, bool cached) : tokenizer_(tokenizer), out_(out) {
    if (cached) cache_.emplace_back();
  }

  void operator()(std::string_view word) {
    if (cache_.empty() || !WordCache::fits(word)) return encode(word);
    WordCache::Slot& slot = cache_[0].slot(word);
    if (WordCache::holds(slot, word)) {
      out_.insert(out_.end(), slot.ids, slot.ids + slot.count);
      return;
    }
    const size_t begin = out_.size();
    encode(word);
    WordCache::store(slot, word, std::span(out_).subspan(begin));
  }

 private:
  void encode(std::string_view word) {
    const int32_t whole = tokenizer_.ignore_merges_ ? tokenizer_.find(tokenizer_.by_bytes_, word) : -1;
    if (whole >= 0) {
      out_.push_back(whole);
    } else {
      tokenizer_.bpe_.encode(word, out_);
    }
  }
  const Tokenizer& tokenizer_;
  std::vector<int32_t>& out_;
  std::vector<WordCache> cache_;  // none or one
};

std::vector<int32_t> Tokenizer::encode(std::string_view text, TextPlace place, UnknownText* unknown) const {
  std::vector<int32_t> ids;
  if (place.begins) ids = prefix_;
  WordEncoder words(*this, ids, text.size() >= kCacheFrom);
  UnknownText found;
  raw_added_.split(
      text,
      [&](std::string_view part) {
        encode_normalized(part, static_cast<size_t>(part.data() - text.data()), words, ids, found);
      },
      [&](int32_t id) { ids.push_back(id); });
  if (place.ends) ids.insert(ids.end(), suffix_.begin(), suffix_.end());
  if (ids.capacity() / 2 > ids.size() + kCacheFrom) ids.shrink_to_fit();
  if (unknown != nullptr) unknown->add(found);
  return ids;
}

// at: where `text` lies in the whole, for messages.
void Tokenizer::encode_normalized(std::string_view text, size_t at, WordEncoder& words, std::vector<int32_t>& ids,
                                  UnknownText& unknown) const {
  std::string buffer, readable;
  const std::string_view normal = nfc_ ? normalize_nfc(text, buffer) : text;
  const PieceFn on_word = [&](std::string_view word) { words(word); };
  normalized_added_.split(
      normal,
      [&](std::string_view part) {
        const size_t part_at = at + static_cast<size_t>(part.data() - normal.data());
        if (!longest_match_.empty()) return longest_match_.encode(part, part_at, ids);
        pre_tokenizer_.split(bpe_.readable(part, part_at, readable, unknown), on_word);
      },
      [&](int32_t id) { ids.push_back(id); });
}

const std::string& Tokenizer::checked_token(int32_t id) const {
  check(id >= 0 && id < vocab_size(), ErrorCode::kData, "[tokenizer] expected a token id from 0 to {}, found {}",
        vocab_size() - 1, id);
  return tokens_[static_cast<size_t>(id)];
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string bytes;
  for (const int32_t id : ids) bytes += checked_token(id);
  return bytes;
}

std::string_view Tokenizer::token_bytes(int32_t id) const { return checked_token(id); }

int32_t Tokenizer::find(const std::vector<int32_t>& sorted, std::string_view bytes) const {
  const auto it = std::lower_bound(sorted.begin(), sorted.end(), bytes, [&](int32_t id, std::string_view key) {
    return tokens_[static_cast<size_t>(id)] < key;
  });
  return it != sorted.end() && tokens_[static_cast<size_t>(*it)] == bytes ? *it : -1;
}

int32_t Tokenizer::token_to_id(std::string_view bytes) const {
  const int32_t added = find(by_text_, bytes);
  return added >= 0 ? added : find(by_bytes_, bytes);
}

bool Tokenizer::is_special(int32_t id) const { return std::binary_search(special_.begin(), special_.end(), id); }

std::string StreamDecoder::push(int32_t id) {
  held_ += tokenizer_->token_bytes(id);
  const size_t ready = held_.size() - incomplete_utf8_suffix(held_);
  std::string text = replace_invalid_utf8(std::string_view(held_).substr(0, ready));
  held_.erase(0, ready);
  return text;
}

std::string StreamDecoder::finish() {
  std::string text = replace_invalid_utf8(held_);
  held_.clear();
  return text;
}

}  // namespace hindscan
