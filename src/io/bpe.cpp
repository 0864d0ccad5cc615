#include "io/bpe.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "io/bpe_long.h"
#include "io/printable.h"

namespace hindscan {
namespace {

constexpr size_t kShortWord = 48;
constexpr size_t kMaxProbes = 64;
constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

}  // namespace

MergeTable::MergeTable(const std::vector<Pair>& pairs) {
  const size_t capacity = std::bit_ceil(std::max<size_t>(4, pairs.size() * 4));
  mask_ = capacity - 1;
  shift_ = 64 - std::countr_zero(capacity);
  for (uint64_t attempt = 0; attempt < 8; ++attempt) {
    seed_ = mix64(attempt);
    if (fill(pairs)) return;
  }
  fail(ErrorCode::kData, "[tokenizer] expected ordinary merges, found {} that all collide in a hash table",
       pairs.size());
}

bool MergeTable::fill(const std::vector<Pair>& pairs) {
  slots_.assign(mask_ + 1, {});
  count_ = 0;
  for (size_t rank = 0; rank < pairs.size(); ++rank) {
    const uint64_t key = key_of(pairs[rank].left, pairs[rank].right);
    size_t i = slot_of(key), probes = 0;
    while (slots_[i].key != kEmpty && slots_[i].key != key) {
      i = (i + 1) & mask_;
      if (++probes > kMaxProbes) return false;
    }
    if (slots_[i].key == kEmpty) ++count_;
    slots_[i] = {key, {static_cast<uint32_t>(rank), pairs[rank].merged}};
  }
  return true;
}

Bpe::Bpe(const std::array<int32_t, 256>& byte_ids, int32_t unknown_id, std::string unknown_name, MergeTable table)
    : byte_ids_(byte_ids),
      unknown_id_(unknown_id),
      complete_(std::all_of(byte_ids.begin(), byte_ids.end(), [](int32_t id) { return id >= 0; })),
      unknown_name_(std::move(unknown_name)),
      table_(std::move(table)) {}

bool Bpe::known(std::string_view bytes) const {
  return std::all_of(bytes.begin(), bytes.end(), [&](char c) { return byte_ids_[static_cast<unsigned char>(c)] >= 0; });
}

std::string_view Bpe::readable(std::string_view text, size_t from, std::string& buffer, UnknownText& unknown) const {
  if (complete_ || known(text)) return text;
  buffer.clear();
  for (size_t at = 0; at < text.size();) {
    const std::string_view character = text.substr(at, decode_utf8(text, at).size);
    if (known(character)) {
      buffer += character;
    } else {
      check(unknown_id_ >= 0 || known(kReplacement), ErrorCode::kData,
            "[tokenizer] the vocabulary has no token for '{}' (byte 0x{:02x}), found at byte {} of the text, and none "
            "that could stand for it; leave it out of the text",
            printable(character).text, static_cast<unsigned char>(character[0]), from + at);
      unknown.add({1, from + at, std::string(character), unknown_id_ >= 0 ? unknown_name_ : "U+FFFD"});
      buffer += unknown_id_ >= 0 ? character : kReplacement;
    }
    at += character.size();
  }
  return buffer;
}

int32_t Bpe::byte_id(char c) const {
  const auto b = static_cast<unsigned char>(c);
  const int32_t id = byte_ids_[b] >= 0 ? byte_ids_[b] : unknown_id_;
  check(id >= 0, ErrorCode::kData, "[tokenizer] the vocabulary has no token for byte 0x{:02x}, found in the text", b);
  return id;
}

void Bpe::encode(std::string_view word, std::vector<int32_t>& out) const {
  if (word.size() <= kShortWord) return encode_short(word, out);
  const size_t begin = out.size();
  for (const char c : word) out.push_back(byte_id(c));
  merge_long_word(out, begin, table_);
}

// Words are short, so a scan for the lowest rank beats any queue.
void Bpe::encode_short(std::string_view word, std::vector<int32_t>& out) const {
  std::array<int32_t, kShortWord> ids;
  std::array<MergeRule, kShortWord> rules;  // rules[i]: of the pair (i, i + 1)
  size_t n = word.size();
  for (size_t i = 0; i < n; ++i) ids[i] = byte_id(word[i]);
  for (size_t i = 0; i + 1 < n; ++i) rules[i] = table_.find(ids[i], ids[i + 1]);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i) best = rules[i].rank < rules[best].rank ? i : best;
    if (rules[best].rank == UINT32_MAX) break;
    ids[best] = rules[best].merged;
    --n;
    for (size_t i = best + 1; i < n; ++i) ids[i] = ids[i + 1];
    for (size_t i = best + 1; i + 1 < n; ++i) rules[i] = rules[i + 1];
    if (best > 0) rules[best - 1] = table_.find(ids[best - 1], ids[best]);
    if (best + 1 < n) rules[best] = table_.find(ids[best], ids[best + 1]);
  }
  out.insert(out.end(), ids.begin(), ids.begin() + static_cast<ptrdiff_t>(n));
}

}  // namespace hindscan
