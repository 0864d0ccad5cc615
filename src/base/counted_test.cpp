#include "base/counted.h"

#include <gtest/gtest.h>

namespace hindscan {
namespace {

TEST(Counted, FollowsTheNumber) {
  EXPECT_EQ(counted(0, "token"), "0 tokens");
  EXPECT_EQ(counted(1, "token"), "1 token");
  EXPECT_EQ(counted(size_t{2}, "token"), "2 tokens");
  EXPECT_EQ(counted(1, "matrix", "matrices"), "1 matrix");
  EXPECT_EQ(counted(3, "matrix", "matrices"), "3 matrices");
}

TEST(Counted, SizesAreBytesOrMiB) {
  EXPECT_EQ(needed_size(1), "1 byte");
  EXPECT_EQ(allowed_size(1000), "1000 bytes");
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  EXPECT_EQ(needed_size(5 * kMiB), "5 MiB");
  EXPECT_EQ(allowed_size(5 * kMiB), "5 MiB");
  EXPECT_EQ(allowed_size(5 * kMiB + kMiB / 2 - 1), "5.4 MiB");
  EXPECT_EQ(needed_size(UINT64_MAX), "17592186044416 MiB");
}

// A limit and what is one byte beyond it never read the same.
TEST(Counted, OneByteTooManyIsSeen) {
  for (const uint64_t limit : {uint64_t{1}, uint64_t{999'999}, (uint64_t{1} << 20) - 1, uint64_t{1} << 20,
                               uint64_t{1'100'000}, uint64_t{268'435'456}, uint64_t{3'000'000'001}, uint64_t{1} << 62})
    EXPECT_NE(allowed_size(limit), needed_size(limit + 1)) << limit;
}

}  // namespace
}  // namespace hindscan
