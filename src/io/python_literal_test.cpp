#include "io/python_literal.h"

#include <gtest/gtest.h>

namespace hindscan {
namespace {

// As repr() of Python writes them.
TEST(PythonLiteral, TextsAreUtf8AndBytesAreTheirBytes) {
  EXPECT_EQ(read_python_literal("'a b'"), "a b");
  EXPECT_EQ(read_python_literal("\"it's\""), "it's");
  EXPECT_EQ(read_python_literal(R"('\\ \' \n\r\t')"), "\\ ' \n\r\t");
  EXPECT_EQ(read_python_literal(R"('\xe9\u20ac\U0001f600')"), "\u00e9\u20ac\U0001f600");
  EXPECT_EQ(read_python_literal(R"(b'\xe9\xff')"), "\xe9\xff");
}

TEST(PythonLiteral, WhatReprNeverWritesIsNone) {
  for (const char* bad : {"", "a", "'", "'a", "'a\"", "'a'b'", R"('\')", R"('\q')", R"('\x4')", R"('\xg0')",
                          R"('\ud800')", R"('\udfff')", R"('\U00110000')", R"(b'\u20ac')"})
    EXPECT_EQ(read_python_literal(bad), std::nullopt) << bad;
  EXPECT_EQ(number_of_digits("12"), 12u);
  for (const char* bad : {"", "-1", "+1", "1 ", "4294967296", "0x1"})
    EXPECT_EQ(number_of_digits(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace hindscan
