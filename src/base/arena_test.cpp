#include "base/arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

#include "base/error.h"

namespace hindscan {
namespace {

size_t address(const void* p) { return reinterpret_cast<uintptr_t>(p); }

TEST(Arena, PointersAreAlignedDisjointAndStable) {
  Arena arena;
  std::vector<std::pair<unsigned char*, size_t>> pieces;
  for (size_t i = 0; i < 400; ++i) {
    const size_t n = (i * 7919) % 50000;  // crosses several blocks
    auto* p = arena.array<unsigned char>(n);
    EXPECT_EQ(address(p) % kCacheLine, 0u);
    std::memset(p, static_cast<int>(i % 251), n);
    pieces.emplace_back(p, n);
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    for (size_t j = 0; j < pieces[i].second; ++j) ASSERT_EQ(pieces[i].first[j], i % 251) << i << " " << j;
  }
}

TEST(Arena, ReleaseReturnsTheSameMemoryAndPeakRemembers) {
  Arena arena;
  arena.array<float>(10);
  const Arena::Mark mark = arena.mark();
  const size_t before = arena.used();
  float* first = arena.array<float>(100);
  arena.array<char>(3 * kHugePage);  // opens another block
  const size_t top = arena.used();
  const size_t held = arena.capacity();
  arena.release(mark);
  EXPECT_EQ(arena.used(), before);
  EXPECT_EQ(arena.peak(), top);
  EXPECT_EQ(arena.array<float>(100), first);
  arena.array<char>(3 * kHugePage);
  EXPECT_EQ(arena.capacity(), held) << "a released block is reused";
  EXPECT_EQ(arena.peak(), top);
}

TEST(Arena, RepeatedGrowingRequestsDoNotPileUpBlocks) {
  Arena arena;
  for (size_t n = 1; n <= 12; ++n) {
    arena.reset();
    arena.array<char>(n * kHugePage);
  }
  EXPECT_LE(arena.capacity(), 40 * kHugePage);
  arena.reset();
  arena.trim();
  EXPECT_EQ(arena.capacity(), 0u);
  EXPECT_NE(arena.array<char>(5), nullptr);
}

TEST(Arena, ScopeReleases) {
  Arena arena;
  arena.array<char>(1);
  const size_t used = arena.used();
  {
    ArenaScope scope(arena);
    arena.array<double>(1000);
    EXPECT_GT(arena.used(), used);
  }
  EXPECT_EQ(arena.used(), used);
}

TEST(Arena, ImpossibleRequestsAreResourceErrorsAndLeaveItUsable) {
  Arena arena;
  for (size_t n : {SIZE_MAX / 4, SIZE_MAX / 8 + 1, SIZE_MAX}) {
    try {
      arena.array<double>(n);
      FAIL() << n;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kResource);
    }
  }
  EXPECT_EQ(arena.used(), 0u);
  EXPECT_NE(arena.array<double>(8), nullptr);
}

TEST(HugeBuffer, AlignmentMoveAndSize) {
  HugeBuffer small(100);
  EXPECT_EQ(address(small.data()) % kCacheLine, 0u);
  HugeBuffer large(kHugePage + 1);
  EXPECT_EQ(address(large.data()) % kHugePage, 0u);
  std::byte* data = large.data();
  data[kHugePage] = std::byte{7};
  HugeBuffer moved = std::move(large);
  EXPECT_EQ(moved.data(), data);
  EXPECT_EQ(moved.size(), kHugePage + 1);
  EXPECT_EQ(moved.as<unsigned char>()[kHugePage], 7);
  small = std::move(moved);
  EXPECT_EQ(small.data(), data);
  EXPECT_TRUE(HugeBuffer().empty());
}

}  // namespace
}  // namespace hindscan
