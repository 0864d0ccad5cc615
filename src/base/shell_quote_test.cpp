#include "base/shell_quote.h"

#include <gtest/gtest.h>

namespace hindscan {
namespace {

TEST(CaseD7, WordsAreQuotedWhereAShellWouldCutOrChangeThem) {
  EXPECT_EQ(shell_quote("runs/a_1/model-2.x"), "runs/a_1/model-2.x");
  EXPECT_EQ(shell_quote("/home/me/new folder/run"), "'/home/me/new folder/run'");
  EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quote("$HOME`x`*~"), "'$HOME`x`*~'");
  EXPECT_EQ(shell_quote("caf\u00e9"), "'caf\u00e9'");
  EXPECT_EQ(shell_quote(""), "''");
}

}  // namespace
}  // namespace hindscan
