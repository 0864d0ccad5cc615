#include "cli/terminal.h"

#include <gtest/gtest.h>

#include <map>

#include "cli/suggest.h"

namespace hindscan::cli {
namespace {

Environment env_of(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const char* name) {
    const auto it = values.find(name);
    return it == values.end() ? nullptr : it->second.c_str();
  };
}

TEST(ChooseColor, FlagBeatsEnvironmentBeatsTerminal) {
  EXPECT_EQ(choose_color("never", true, env_of({{"CLICOLOR_FORCE", "1"}, {"TERM", "xterm"}})), ColorDepth::kNone);
  EXPECT_EQ(choose_color("always", false, env_of({{"NO_COLOR", "1"}, {"TERM", "xterm"}})), ColorDepth::k16);
  EXPECT_EQ(choose_color("auto", true, env_of({{"NO_COLOR", "1"}, {"TERM", "xterm"}})), ColorDepth::kNone);
  EXPECT_EQ(choose_color("auto", true, env_of({{"NO_COLOR", ""}, {"TERM", "xterm"}})), ColorDepth::k16);
  EXPECT_EQ(choose_color("auto", false, env_of({{"CLICOLOR_FORCE", "1"}, {"TERM", "xterm-256color"}})),
            ColorDepth::k256);
  EXPECT_EQ(choose_color("auto", false, env_of({{"CLICOLOR_FORCE", "0"}, {"TERM", "xterm"}})), ColorDepth::kNone);
  EXPECT_EQ(choose_color("auto", false, env_of({{"TERM", "xterm"}})), ColorDepth::kNone);
  EXPECT_EQ(choose_color("auto", true, env_of({{"TERM", "dumb"}})), ColorDepth::kNone);
  EXPECT_EQ(choose_color("auto", true, env_of({})), ColorDepth::kNone);
}

TEST(ChooseColor, DepthFollowsTheTerminal) {
  EXPECT_EQ(choose_color("auto", true, env_of({{"TERM", "xterm"}, {"COLORTERM", "truecolor"}})), ColorDepth::kTrue);
  EXPECT_EQ(choose_color("auto", true, env_of({{"TERM", "screen-256color"}})), ColorDepth::k256);
  EXPECT_EQ(choose_color("auto", true, env_of({{"TERM", "linux"}})), ColorDepth::k16);
}

TEST(DarkBackground, ReadsColorfgbg) {
  EXPECT_TRUE(dark_background(env_of({})));
  EXPECT_TRUE(dark_background(env_of({{"COLORFGBG", "15;0"}})));
  EXPECT_FALSE(dark_background(env_of({{"COLORFGBG", "0;default;15"}})));
}

TEST(Closest, FindsTypos) {
  const std::vector<std::string> known = {"explain", "score", "run", "matrix", "--target", "--top-k", "--top-p"};
  EXPECT_EQ(closest("expalin", known), "explain");
  EXPECT_EQ(closest("scor", known), "score");
  EXPECT_EQ(closest("--targt", known), "--target");
  EXPECT_EQ(closest("zebra", known), std::nullopt);
  EXPECT_EQ(closest("", known), std::nullopt);
  EXPECT_EQ(closest("rum", known), "run");
}

}  // namespace
}  // namespace hindscan::cli
