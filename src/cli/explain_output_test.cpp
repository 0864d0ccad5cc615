#include "cli/explain_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace hindscan::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

ExplainReport report_of(const std::vector<double>& residuals) {
  ExplainReport r;
  for (int32_t t = 0; t < 3; ++t) r.tokens.push_back({t, " word", ""});
  r.target = {2, 2, " next", 3, " other", 1.5, 0.5, 0.25};
  for (const char* name : {"row", "frozen"}) {
    MethodReport m;
    m.name = name;
    ScoreMap map;
    map.fidelity = "model";
    map.scores = {1, -2, 0.5};
    m.maps.push_back(map);
    if (m.name == "frozen") m.target_value = 1, m.residual = 1e-7;
    r.methods.push_back(m);
  }
  for (const double x : residuals) r.layers.push_back({static_cast<int>(r.layers.size()), "glr.element", x, 0});
  return r;
}

std::string text_of(const std::vector<double>& residuals) { return explain_text(report_of(residuals), {}); }

TEST(ExplainOutput, SaysThatItAddsUpOnlyWhereItDoes) {
  EXPECT_THAT(text_of({1e-7, 3e-6, 2e-7}), HasSubstr("largest residual 3.0e-06 (layer 1): it adds up"));
  EXPECT_THAT(text_of({1e-7, 0.02}), HasSubstr("2.0e-02 (layer 1): it does NOT add up"));
  EXPECT_THAT(text_of({1e-7, std::nan(""), 0.02}), HasSubstr("nan (layer 1): it does NOT add up"));
  EXPECT_THAT(text_of({}), Not(HasSubstr("add up")));
}

TEST(ExplainOutput, TheMethodThatAddsUpIsShownUnlessAskedOtherwise) {
  const ExplainReport r = report_of({});
  EXPECT_EQ(shown_method(r, ""), 1u);
  EXPECT_EQ(shown_method(r, "row"), 0u);
  EXPECT_THROW(shown_method(r, "rollout"), Error);
}

}  // namespace
}  // namespace hindscan::cli
