#include "cli/command_line.h"

#include <gtest/gtest.h>

namespace hindscan::cli {
namespace {

template <class F>
std::string usage_error(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.code() == ErrorCode::kUsage ? e.message() : "another code";
  }
  return "no error";
}

TEST(ParseTokens, ReadsListsAndRefusesTheRest) {
  EXPECT_EQ(parse_tokens("1,2,3"), (std::vector<int32_t>{1, 2, 3}));
  EXPECT_EQ(parse_tokens(" 7\n8, 9 \n"), (std::vector<int32_t>{7, 8, 9}));
  for (const char* bad : {"", " ", "x", "1,x", "1,,2", "1,", "-1", "1.5", "99999999999", "1;2"}) {
    EXPECT_NE(usage_error([&] { parse_tokens(bad); }), "no error") << bad;
  }
}

TEST(ParseBytes, KnowsUnits) {
  EXPECT_EQ(parse_bytes("512M"), int64_t{512} << 20);
  EXPECT_EQ(parse_bytes("4G"), int64_t{4} << 30);
  EXPECT_EQ(parse_bytes("1.5GiB"), int64_t{3} << 29);
  EXPECT_EQ(parse_bytes("100kB"), int64_t{100} << 10);
  EXPECT_EQ(parse_bytes("123456789"), 123456789);
  for (const char* bad : {"", "G", "-1G", "0", "4X", "nan", "1e300", "4GG", "9999999T"}) {
    EXPECT_NE(usage_error([&] { parse_bytes(bad); }), "no error") << bad;
  }
}

TEST(CommandLine, SuggestsTheOptionThatWasMeant) {
  CommandLine line("score", "what", {"score -p x"});
  line.add_model();
  line.add_prompt();
  const std::string message = usage_error([&] { line.parse({"--promt", "x"}); });
  EXPECT_NE(message.find("did you mean '--prompt'"), std::string::npos) << message;
}

TEST(CommandLine, ValuesMayLookLikeOptions) {
  CommandLine line("explain", "what", {"explain -p x"});
  line.add_model();
  line.add_prompt();
  int64_t target = 0;
  line.app().add_option("--target", target);
  EXPECT_TRUE(line.parse({"--target", "-3", "-p", "--help me", "-q"}));
  EXPECT_EQ(target, -3);
}

TEST(CommandLine, RefusesTwoModelsAndStrayWords) {
  CommandLine two("score", "what", {});
  two.add_model();
  EXPECT_NE(usage_error([&] { two.parse({"-m", "a", "b"}); }).find("one model"), std::string::npos);
  CommandLine stray("score", "what", {});
  stray.add_model();
  EXPECT_NE(usage_error([&] { stray.parse({"a", "b"}); }).find("unexpected argument 'b'"), std::string::npos);
}

}  // namespace
}  // namespace hindscan::cli
