#include "io/bpe_long.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <map>
#include <span>

#include "base/counted.h"
#include "base/error.h"

namespace hindscan {
namespace {

// A set of positions with next and previous member.
class Bitmap {
 public:
  explicit Bitmap(size_t n) : size_(n), words_(n / 64 + 1, ~uint64_t{0}) {
    if (n % 64 != 0) words_.back() = (uint64_t{1} << (n % 64)) - 1;
    if (n % 64 == 0) words_.back() = 0;
  }
  bool has(size_t i) const { return (words_[i / 64] >> (i % 64) & 1u) != 0; }
  void remove(size_t i) { words_[i / 64] &= ~(uint64_t{1} << (i % 64)); }

  // Smallest member >= i, or size().
  size_t next(size_t i) const {
    if (i >= size_) return size_;
    uint64_t word = words_[i / 64] & (~uint64_t{0} << (i % 64));
    size_t w = i / 64;
    while (word == 0 && ++w < words_.size()) word = words_[w];
    return word == 0 ? size_ : w * 64 + static_cast<size_t>(std::countr_zero(word));
  }
  // Largest member <= i; there is one, because position 0 is never removed.
  size_t previous(size_t i) const {
    size_t w = i / 64;
    uint64_t word = words_[w] & (~uint64_t{0} >> (63 - i % 64));
    while (word == 0) word = words_[--w];
    return w * 64 + 63 - static_cast<size_t>(std::countl_zero(word));
  }
  size_t size() const { return size_; }

 private:
  size_t size_;
  std::vector<uint64_t> words_;
};

// Where pairs of one rank may be. Many of them are not listed (`dense`): one scan over all symbols finds them.
struct Bucket {
  std::vector<uint32_t> positions;
  std::vector<uint32_t> late;  // min-heap: arrived after the work on this rank began
  size_t cursor = 0;           // into positions, or a symbol position when dense
  bool dense = false, begun = false;
};

class LongWord {
 public:
  LongWord(std::span<int32_t> ids, const MergeTable& table)
      : ids_(ids), table_(table), starts_(ids.size()), dense_limit_(std::max<size_t>(4096, ids.size() / 16)) {}

  size_t merge() {
    for (size_t i = 0; i + 1 < ids_.size(); ++i) add_pair(i, i + 1);
    while (!buckets_.empty()) {
      const auto lowest = buckets_.begin();
      if (!work_on(lowest->first, lowest->second)) continue;
      if (memo_ == lowest->first) memo_bucket_ = nullptr;
      buckets_.erase(lowest);
    }
    size_t kept = 0;
    for (size_t i = 0; i < ids_.size(); i = starts_.next(i + 1)) ids_[kept++] = ids_[i];
    return kept;
  }

 private:
  // Notes the pair of symbols at left and right; returns its rank.
  uint32_t add_pair(size_t left, size_t right) {
    const uint32_t rank = table_.find(ids_[left], ids_[right]).rank;
    if (rank == UINT32_MAX) return rank;
    if (memo_bucket_ == nullptr || memo_ != rank) {
      memo_ = rank;
      memo_bucket_ = &buckets_[rank];
    }
    add_position(*memo_bucket_, static_cast<uint32_t>(left));
    return rank;
  }

  void add_position(Bucket& bucket, uint32_t position) const {
    if (bucket.begun) {
      bucket.late.push_back(position);
      std::push_heap(bucket.late.begin(), bucket.late.end(), std::greater<>());
    } else if (!bucket.dense) {
      bucket.positions.push_back(position);
      if (bucket.positions.size() < dense_limit_) return;
      bucket.dense = true;
      bucket.positions = {};
    }
  }

  // False when a pair of a lower rank has appeared, which must be merged first.
  bool work_on(uint32_t rank, Bucket& bucket) {
    if (!bucket.begun) std::sort(bucket.positions.begin(), bucket.positions.end());
    bucket.begun = true;
    for (size_t at = take(bucket); at < ids_.size(); at = take(bucket)) {
      if (merge_at(at, rank) < rank) return false;
    }
    return true;
  }

  // The next position to look at, in ascending order; ids_.size() when there is none.
  size_t take(Bucket& bucket) const {
    const size_t end = ids_.size();
    size_t next = end;
    if (bucket.dense) {
      next = starts_.next(bucket.cursor);
    } else if (bucket.cursor < bucket.positions.size()) {
      next = bucket.positions[bucket.cursor];
    }
    if (!bucket.late.empty() && bucket.late.front() <= next) {
      next = bucket.late.front();
      std::pop_heap(bucket.late.begin(), bucket.late.end(), std::greater<>());
      bucket.late.pop_back();
      return next;
    }
    if (next < end) bucket.cursor = bucket.dense ? next + 1 : bucket.cursor + 1;
    return next;
  }

  // Merges at `left` if the pair there still has this rank; returns the lowest rank that arises from it.
  uint32_t merge_at(size_t left, uint32_t rank) {
    if (!starts_.has(left)) return UINT32_MAX;
    const size_t right = starts_.next(left + 1);
    if (right == ids_.size()) return UINT32_MAX;
    const MergeRule rule = table_.find(ids_[left], ids_[right]);
    if (rule.rank != rank) return UINT32_MAX;
    ids_[left] = rule.merged;
    starts_.remove(right);
    uint32_t lowest = UINT32_MAX;
    if (left > 0) lowest = add_pair(starts_.previous(left - 1), left);
    const size_t after = starts_.next(right + 1);
    if (after < ids_.size()) lowest = std::min(lowest, add_pair(left, after));
    return lowest;
  }

  std::span<int32_t> ids_;
  const MergeTable& table_;
  Bitmap starts_;
  size_t dense_limit_;
  std::map<uint32_t, Bucket> buckets_;
  uint32_t memo_ = 0;
  Bucket* memo_bucket_ = nullptr;
};

}  // namespace

void merge_long_word(std::vector<int32_t>& ids, size_t begin, const MergeTable& table) {
  const size_t n = ids.size() - begin;
  check(n < UINT32_MAX, ErrorCode::kResource, "[tokenizer] expected words below 4 GiB, found one of {}",
        needed_size(n));
  ids.resize(begin + LongWord(std::span(ids).subspan(begin), table).merge());
}

}  // namespace hindscan
