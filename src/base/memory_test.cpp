#include "base/memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace hindscan {
namespace {

TEST(AvailableMemory, IsPositiveAndNotMoreThanTheProcessMayMap) {
  EXPECT_GT(available_memory(), int64_t{1} << 20);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer maps far more than any limit";
#endif
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  rlimit less = before;
  less.rlim_cur = rlim_t{64} << 30;
  if (before.rlim_max != RLIM_INFINITY && before.rlim_max < less.rlim_cur) GTEST_SKIP() << "a smaller limit is set";
  ASSERT_EQ(setrlimit(RLIMIT_AS, &less), 0);
  EXPECT_LT(available_memory(), int64_t{64} << 30);
  setrlimit(RLIMIT_AS, &before);
}

}  // namespace
}  // namespace hindscan
