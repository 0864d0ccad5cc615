#include "eval/text_runner.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

TargetReport target_of(const Model& model, const std::vector<int32_t>& tokens) {
  ExplainRequest r = request_for(tokens);
  r.methods = parse_methods("rollout");
  return explain(model, r).target;
}

double log_p(const Model& model, const std::vector<int32_t>& tokens, int32_t id) {
  SequenceState state = model.initial_state();
  Runner runner(model);
  const std::span<const float> logits = runner.step(tokens, state);
  double sum = 0;
  for (const float v : logits) sum += std::exp(static_cast<double>(v));
  return static_cast<double>(logits[static_cast<size_t>(id)]) - std::log(sum);
}

TEST(CausalRunner, ValuesAreThoseOfEachTextReadAlone) {
  const Model model = tiny_model(DType::kF32);
  const std::vector<int32_t> tokens = distinct_tokens(9);
  const TargetReport target = target_of(model, tokens);
  std::vector<std::vector<int32_t>> texts;
  for (int64_t n : {1, 9, 4, 7, 2}) texts.push_back(distinct_tokens(n, static_cast<uint64_t>(n)));
  for (const int64_t most : {9, 12, 4096}) {
    TextRunner runner(model, tokens, target, most);
    EXPECT_TRUE(agree(runner.unedited().contrast, target.value(), tol::kF32Accumulated));
    const std::vector<Outcome> values = runner.values(texts);
    ASSERT_EQ(values.size(), texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_TRUE(agree(values[i].contrast, value_of(model, texts[i], target), tol::kF32Accumulated)) << i << most;
      EXPECT_TRUE(agree(values[i].log_p, log_p(model, texts[i], target.id), tol::kF32Accumulated)) << i << most;
    }
    EXPECT_EQ(runner.texts_run(), 6);  // the text itself too
  }
}

TEST(CausalRunner, WithoutAFoilTheContrastIsTheLogit) {
  const Model model = tiny_model(DType::kF32);
  const std::vector<int32_t> tokens = distinct_tokens(5);
  TargetReport target = target_of(model, tokens);
  target.contrast_id.reset();
  EXPECT_TRUE(agree(TextRunner(model, tokens, target, 64).unedited().contrast, target.logit, tol::kF32Accumulated));
}

}  // namespace
}  // namespace hindscan
