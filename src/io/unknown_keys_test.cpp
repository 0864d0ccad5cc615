#include "io/unknown_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"

namespace hindscan {
namespace {

std::vector<std::string> said_of(std::vector<std::string> keys) {
  std::vector<std::string> said;
  const LogSink before = set_log_sink([&](LogLevel, std::string_view text) { said.emplace_back(text); });
  note_unknown_keys("f", std::move(keys));
  set_log_sink(before);
  return said;
}

TEST(UnknownKeys, AreSaidInOneRemarkEachOnceAndTheFirstTenByName) {
  using ::testing::ElementsAre;
  EXPECT_THAT(said_of({}), ::testing::IsEmpty());
  EXPECT_THAT(said_of({"b", "a", "b"}), ElementsAre("[f] 2 keys that this version does not know were not used: a, b"));
  const std::string one = "[f] 1 key that this version does not know was not used: ";
  EXPECT_THAT(said_of({std::string(61, 'x')}), ElementsAre(one + std::string(60, 'x') + "..."));
  std::vector<std::string> many;
  for (char c = 'a'; c < 'a' + 10; ++c) many.emplace_back(1, c);
  const std::string ten = " keys that this version does not know were not used: a, b, c, d, e, f, g, h, i, j";
  EXPECT_THAT(said_of(many), ElementsAre("[f] 10" + ten));
  many.emplace_back("k");
  EXPECT_THAT(said_of(many), ElementsAre("[f] 11" + ten + ", ..."));
}

}  // namespace
}  // namespace hindscan
