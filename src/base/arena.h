// Memory: HugeBuffer owns one aligned block (weights); Arena hands out scratch and tape storage from such blocks.
#pragma once
#include <cstddef>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

namespace hindscan {

inline constexpr size_t kCacheLine = 64;
inline constexpr size_t kHugePage = size_t{2} << 20;

// Uninitialised memory; aligned to 2 MiB and backed by huge pages where it fills at least one, else aligned to 64
// bytes.
class HugeBuffer {
 public:
  HugeBuffer() = default;
  explicit HugeBuffer(size_t bytes);  // throws Error(kResource)
  ~HugeBuffer();
  HugeBuffer(HugeBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  HugeBuffer& operator=(HugeBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  template <class T>
  T* as() const {
    return static_cast<T*>(static_cast<void*>(data_));
  }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Bump allocator, one thread at a time. Pointers are 64-byte aligned, never move, and live until release() or reset().
class Arena {
 public:
  struct Mark {
    size_t block = 0;
    size_t offset = 0;
    size_t used = 0;
  };

  Arena() = default;
  Arena(Arena&&) noexcept = default;
  Arena& operator=(Arena&&) noexcept = default;

  void* allocate(size_t bytes);  // throws Error(kResource)

  template <class T>
  T* array(size_t n) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= kCacheLine);
    return static_cast<T*>(allocate(n > std::numeric_limits<size_t>::max() / sizeof(T) ? kTooMuch : n * sizeof(T)));
  }

  Mark mark() const { return {block_, offset_, used_}; }
  void release(Mark mark);       // frees everything allocated since mark; the blocks stay for reuse
  void reset() { release({}); }  // the same from the start
  void trim();                   // gives unused blocks back to the system

  size_t used() const { return used_; }  // bytes handed out, rounding included
  size_t peak() const { return peak_; }  // highest used() so far
  size_t capacity() const;               // bytes held from the system

 private:
  static constexpr size_t kTooMuch = std::numeric_limits<size_t>::max();
  void next_block(size_t bytes);

  std::vector<HugeBuffer> blocks_;
  size_t block_ = 0;   // index of the block being filled
  size_t offset_ = 0;  // of its first free byte
  size_t used_ = 0;
  size_t peak_ = 0;
};

// Releases on scope exit what was allocated inside the scope.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), mark_(arena.mark()) {}
  ~ArenaScope() { arena_.release(mark_); }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  Arena::Mark mark_;
};

}  // namespace hindscan
