// What is computed where no method is named: of every kind of text something, and why not the first.
#include "explain/usual_methods.h"

#include <gtest/gtest.h>

#include "explain/families_test_support.h"

namespace hindscan {
namespace {

std::string names(const std::vector<MethodSpec>& methods) {
  std::string out;
  for (const MethodSpec& m : methods) out += (out.empty() ? "" : ",") + m.text();
  return out;
}

TEST(UsualMethods, TheFirstAnswersAloneWhereThereIsLittleRoom) {
  const Model model = tiny_model(DType::kF32);
  ExplainRequest r = request_for(distinct_tokens(6));
  r.methods = parse_methods("usual");
  EXPECT_EQ(names(r.methods), "scan,row-logit,row,rollout,gradient-x-input,frozen");
  EXPECT_FALSE(with_possible_methods(model, r));
  r.first_only = true;
  const auto alone = with_possible_methods(model, r);
  ASSERT_TRUE(alone);
  EXPECT_EQ(names(alone->methods), "scan");
  EXPECT_FALSE(with_possible_methods(model, *alone));
  EXPECT_EQ(explain(model, r).methods.size(), 1u);
  r.methods = parse_methods("row,frozen");  // named: nothing is left out
  EXPECT_FALSE(with_possible_methods(model, r));
}

TEST(UsualMethods, OthersStandInWhereWordsCannotBeTakenOut) {
  const Model model = tiny_model(DType::kF32);
  ExplainRequest r = request_for(distinct_tokens(6));
  r.methods = parse_methods("usual");
  r.first_only = true;
  const auto stands_in = [&](const Model& m, const char* why) {
    const auto possible = with_possible_methods(m, r);
    ASSERT_TRUE(possible);
    EXPECT_EQ(names(possible->methods), "row-logit,row,rollout,gradient-x-input,frozen");
    EXPECT_NE(possible->left_out.find(why), std::string::npos) << possible->left_out;
    EXPECT_FALSE(with_possible_methods(m, *possible));
  };
  r.target = 0;
  stands_in(model, "no word stands before");
  r.target = 5;
  r.tokens.assign(16390, 1);
  EXPECT_EQ(names(with_possible_methods(model, r)->methods), "scan");  // what follows the target is not read
  r.target = -1;
  stands_in(model, "16390 tokens");
  r.methods = parse_methods("usual,scan");  // asked for by name
  EXPECT_FALSE(with_possible_methods(model, r));
}

TEST(UsualMethods, VectorsAreNoWords) {
  Config config = architecture_preset("mamba", {.d_model = 16, .n_layer = 1, .vocab_size = kVocab});
  config.set("feature_dim", int64_t{3});
  config.set("num_labels", int64_t{2});
  config.set("pooling", std::string("mean"));
  const Model model = random_model(config, DType::kF32);
  ExplainRequest r;
  r.features.assign(12, 0.5f);
  r.methods = parse_methods("usual");
  const ExplainReport report = explain(model, r);
  EXPECT_EQ(report.methods[0].name, "row-logit");
  EXPECT_NE(report.left_out.find("reads vectors"), std::string::npos);
  r.methods = parse_methods("scan");
  EXPECT_THROW(explain(model, r), Error);
}

}  // namespace
}  // namespace hindscan
