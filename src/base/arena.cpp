#include "base/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"

#if defined(__SANITIZE_ADDRESS__)
#define HS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HS_ASAN 1
#endif
#endif
#ifdef HS_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) (static_cast<void>(address), static_cast<void>(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) (static_cast<void>(address), static_cast<void>(bytes))
#endif

namespace hindscan {
namespace {

constexpr size_t kLargestGrowth = size_t{64} << 20;
constexpr size_t kLargestRequest = size_t{1} << 62;

size_t round_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

}  // namespace

HugeBuffer::HugeBuffer(size_t bytes) {
  if (bytes == 0) return;
  const size_t alignment = bytes >= kHugePage ? kHugePage : kCacheLine;
  check(bytes <= kLargestRequest, ErrorCode::kResource,
        "[memory] expected a request below 2^62 bytes, found {}; shorten the input", bytes);
  void* memory = std::aligned_alloc(alignment, round_up(bytes, alignment));
  check(memory != nullptr, ErrorCode::kResource,
        "[memory] expected {:.1f} MiB from the system, found less; shorten the input or free memory",
        static_cast<double>(bytes) / (1 << 20));
  // Advice only: without huge pages the buffer works, slower.
  if (alignment == kHugePage) static_cast<void>(madvise(memory, round_up(bytes, alignment), MADV_HUGEPAGE));
  data_ = static_cast<std::byte*>(memory);
  size_ = bytes;
}

HugeBuffer::~HugeBuffer() {
  if (data_) ASAN_UNPOISON_MEMORY_REGION(data_, size_);
  std::free(data_);
}

void* Arena::allocate(size_t bytes) {
  check(bytes <= kLargestRequest, ErrorCode::kResource,
        "[arena] expected a request below 2^62 bytes, found more; shorten the input");
  const size_t rounded = round_up(std::max<size_t>(bytes, 1), kCacheLine);
  if (blocks_.empty() || rounded > blocks_[block_].size() - offset_) next_block(rounded);
  std::byte* memory = blocks_[block_].data() + offset_;
  ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
  offset_ += rounded;
  used_ += rounded;
  peak_ = std::max(peak_, used_);
  return memory;
}

// Reuses a kept block that is large enough; else the kept ones, all too small, are replaced by one new block.
void Arena::next_block(size_t bytes) {
  const size_t next = blocks_.empty() ? 0 : block_ + 1;
  const auto kept = blocks_.begin() + static_cast<std::ptrdiff_t>(next);
  const auto fits = std::find_if(kept, blocks_.end(), [&](const HugeBuffer& b) { return b.size() >= bytes; });
  if (fits != blocks_.end()) {
    std::swap(*kept, *fits);
  } else {
    blocks_.erase(kept, blocks_.end());
    const size_t growth = std::min(capacity(), kLargestGrowth);
    blocks_.emplace_back(round_up(std::max(bytes, growth), kHugePage));
    ASAN_POISON_MEMORY_REGION(blocks_.back().data(), blocks_.back().size());
  }
  block_ = next;
  offset_ = 0;
}

void Arena::release(Mark mark) {
  for (size_t b = mark.block; b <= block_ && b < blocks_.size(); ++b) {
    const size_t from = b == mark.block ? mark.offset : 0;
    ASAN_POISON_MEMORY_REGION(blocks_[b].data() + from, blocks_[b].size() - from);
  }
  block_ = mark.block;
  offset_ = mark.offset;
  used_ = mark.used;
}

void Arena::trim() {
  const size_t keep = used_ == 0 ? 0 : block_ + 1;
  blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(std::min(keep, blocks_.size())), blocks_.end());
  if (keep == 0) block_ = offset_ = 0;
}

size_t Arena::capacity() const {
  size_t total = 0;
  for (const HugeBuffer& block : blocks_) total += block.size();
  return total;
}

}  // namespace hindscan
