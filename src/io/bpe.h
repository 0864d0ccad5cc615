// Byte-pair merging: bytes of one word -> token ids, by lowest rank, leftmost first.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/unknown_text.h"

namespace hindscan {

struct MergeRule {
  uint32_t rank = UINT32_MAX;  // UINT32_MAX: no such pair
  int32_t merged = -1;
};

// (left id, right id) -> rule, in one open-addressing table.
class MergeTable {
 public:
  struct Pair {
    int32_t left, right, merged;
  };
  // Rank = position in `pairs`; of equal pairs the last wins. Error(kData) if chosen ids defeat every hash seed.
  explicit MergeTable(const std::vector<Pair>& pairs = {});

  MergeRule find(int32_t left, int32_t right) const {
    const uint64_t key = key_of(left, right);
    for (size_t i = slot_of(key);; i = (i + 1) & mask_) {
      if (slots_[i].key == key) return slots_[i].rule;
      if (slots_[i].key == kEmpty) return {};
    }
  }
  bool empty() const { return count_ == 0; }

 private:
  static constexpr uint64_t kEmpty = UINT64_MAX;  // ids are never negative
  struct Slot {
    uint64_t key = kEmpty;
    MergeRule rule;
  };
  static uint64_t key_of(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t slot_of(uint64_t key) const { return static_cast<size_t>(((key ^ seed_) * 0x9E3779B97F4A7C15u) >> shift_); }
  bool fill(const std::vector<Pair>& pairs);
  std::vector<Slot> slots_;
  size_t mask_ = 0, count_ = 0;
  uint64_t seed_ = 0;
  int shift_ = 63;
};

class Bpe {
 public:
  // byte_ids[b]: id of the token of byte b, -1 when the vocabulary has none.
  Bpe() = default;
  Bpe(const std::array<int32_t, 256>& byte_ids, int32_t unknown_id, std::string unknown_name, MergeTable table);

  // The text with U+FFFD for every character that has no tokens, in `buffer` if there are any; with an unknown token
  // they stay and it stands for them. Adds them to `unknown`; `from`: where `text` begins in the whole.
  // Error(kData) when neither U+FFFD nor an unknown token can stand for them.
  std::string_view readable(std::string_view text, size_t from, std::string& buffer, UnknownText& unknown) const;
  // Appends to `out`. Error(kData) for a byte without token when there is no unknown token.
  void encode(std::string_view word, std::vector<int32_t>& out) const;

 private:
  bool known(std::string_view bytes) const;
  int32_t byte_id(char c) const;
  void encode_short(std::string_view word, std::vector<int32_t>& out) const;
  std::array<int32_t, 256> byte_ids_{};
  int32_t unknown_id_ = -1;
  bool complete_ = true;  // every byte has a token
  std::string unknown_name_;
  MergeTable table_;
};

}  // namespace hindscan
