#include "base/log.h"

#include <gtest/gtest.h>

namespace hindscan {
namespace {

TEST(Log, RemarksReachTheSinkAndOnlyWhileItIsSet) {
  log_warning("lost {}", 1);
  std::string seen;
  set_log_sink([&](LogLevel level, std::string_view text) {
    seen += level == LogLevel::kWarning ? "W:" : "I:";
    seen += text;
  });
  log_info("step {}", 2);
  log_warning("skipped {}", "ckpt");
  set_log_sink({});
  log_info("lost {}", 3);
  EXPECT_EQ(seen, "I:step 2W:skipped ckpt");
}

}  // namespace
}  // namespace hindscan
