#include "explain/method.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace hindscan {
namespace {

const MethodInfo& called(std::string_view name) {
  for (const MethodInfo& m : method_table()) {
    if (name == m.name) return m;
  }
  throw std::runtime_error("no such method");
}

TEST(Method, OptionsAreSaidWithTheirDefaults) {
  EXPECT_EQ(option_words(called("half")), "");
  EXPECT_EQ(option_words(called("row")), "estimator=exact|key-dropping (default exact)");
  EXPECT_EQ(option_words(called("integrated-gradients")),
            "steps=1..4096 (default 32), baseline=mean|plausible|zero (default mean)");
}

TEST(Method, IsFoundWithoutItsOptionsWhereOnlyOneIsMeant) {
  const std::vector<std::string> asked = {"row", "row:estimator=key-dropping", "leave-one-out:tokens=4"};
  EXPECT_EQ(find_method(asked, "row"), 0u);
  EXPECT_EQ(find_method(asked, "row:estimator=key-dropping"), 1u);
  EXPECT_EQ(find_method(asked, "leave-one-out"), 2u);
  EXPECT_THROW(find_method(asked, "frozen"), Error);
  EXPECT_THROW(find_method(std::vector<std::string>{"row:estimator=exact", "row:estimator=key-dropping"}, "row"),
               Error);
}

}  // namespace
}  // namespace hindscan
