#include "eval/gold.h"

#include <gtest/gtest.h>

#include "eval/causal.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

void fill(Model& model, const std::string& name, const std::vector<double>& values) {
  Weight& w = *model.weights().find(name);
  ASSERT_EQ(static_cast<size_t>(w.size()), values.size()) << name;
  std::copy(values.begin(), values.end(), static_cast<double*>(w.data));
}

// One layer by hand. Token 1 writes to channel 0, token 2 only makes the step of channel 0 large (it writes zero),
// token 0 does nothing; the logit of token 1 is what channel 0 still holds.
Model reset_model() {
  Config c;
  for (const auto& [key, value] : {std::pair{"d_model", 4},
                                   {"n_layer", 1},
                                   {"vocab_size", 3},
                                   {"pad_vocab_size_multiple", 1},
                                   {"ssm_cfg.expand", 1},
                                   {"ssm_cfg.d_state", 1},
                                   {"ssm_cfg.d_conv", 2},
                                   {"ssm_cfg.dt_rank", 1}}) {
    c.set(key, int64_t{value});
  }
  c.set("ssm_cfg.conv_bias", false);
  c.set("tie_embeddings", false);
  Model m = Model::create(c, DType::kF64, 0);
  const std::string layer = "backbone.layers.0.mixer.";
  fill(m, "backbone.embeddings.weight", {0, 0, 1, 0, 2, 0, 1, 0, 0, 2, 1, 0});
  fill(m, layer + "in_proj.weight", {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1,    // x
                                     0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});  // z
  fill(m, layer + "conv1d.weight", {0, 1, 0, 1, 0, 1, 0, 1});
  fill(m, layer + "x_proj.weight", {0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0});  // dt, B, C
  fill(m, layer + "dt_proj.weight", {2.5, 0, 0, 0});
  fill(m, layer + "dt_proj.bias", {-3, -3, -3, -3});
  fill(m, layer + "A_log", {0, 0, 0, 0});
  fill(m, layer + "D", {0, 0, 0, 0});
  fill(m, layer + "out_proj.weight", {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0});
  fill(m, "lm_head.weight", {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0});
  return m;
}

const GoldRow& row_of(const GoldTable& table, const std::string& name) {
  for (const GoldRow& row : table.rows) {
    if (row.name == name) return row;
  }
  fail(ErrorCode::kInternal, "[test] no row {}", name);
}

TEST(Gold, ATokenThatOnlyClearsIsInvisibleToTheValuePathAndFoundBySelection) {
  const Model model = reset_model();
  GoldExample example;
  example.tokens.assign(20, 0);
  example.tokens[3] = 1;
  example.tokens[9] = 2;
  example.position = 19;
  example.answer = 1;
  example.sources = {3};
  example.resets = {9};
  const GoldTable table = gold_table(model, std::span(&example, 1), {});
  const GoldRow &frozen = row_of(table, "frozen"), &selection = row_of(table, "gradient-x-input selection");
  EXPECT_EQ(table.accuracy, 1.0);
  EXPECT_EQ(*frozen.auc, 1.0);
  EXPECT_EQ(*frozen.average_precision, 1.0);
  EXPECT_EQ(frozen.reset_examples, 1);
  EXPECT_LT(*frozen.reset_auc, kFindsReset);
  EXPECT_EQ(frozen.label, "value path only");
  EXPECT_GE(*selection.reset_auc, kFindsReset);
  EXPECT_EQ(selection.label, "");
  EXPECT_LT(table.max_residual, 1e-12);
  EXPECT_LT(table.max_conservation, 1e-12);
}

TEST(Gold, TableHasARowForEveryScoring) {
  const Model model = tiny_model(DType::kF32);
  std::vector<GoldExample> examples(2);
  for (size_t i = 0; i < 2; ++i) {
    examples[i].tokens = distinct_tokens(20, i);
    examples[i].position = 15;
    examples[i].answer = 3;
    examples[i].sources = {4, 7};
    examples[i].resets = {9, 12, 14};
  }
  const GoldTable table = gold_table(model, examples, {});
  std::vector<std::string> names;
  for (const GoldRow& row : table.rows) {
    names.push_back(row.name);
    ASSERT_TRUE(row.auc && row.average_precision) << row.name;
    const bool untargeted = row.name.starts_with("row") || row.name == "rollout";
    EXPECT_EQ(row.spearman.has_value(), !untargeted) << row.name;
    EXPECT_EQ(row.sign_agreement.has_value(), !untargeted) << row.name;
    EXPECT_EQ(row.label.empty(), !row.reset_auc || *row.reset_auc >= kFindsReset);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"row", "row mixer", "rollout", "gradient-x-input",
                                             "gradient-x-input selection", "frozen"}));
  EXPECT_EQ(table.examples, 2);
  EXPECT_LT(table.max_residual, 1e-5);
  EXPECT_GT(table.max_conservation, 0.0);
  EXPECT_LT(table.max_conservation, 1e-4);
}

// One example: the table says of it what the report says.
TEST(Gold, FiguresAreThoseOfTheReport) {
  const Model model = tiny_model(DType::kF32);
  GoldExample example;
  example.tokens = distinct_tokens(20);
  example.position = 15;
  example.sources = {4};
  ExplainRequest r = request_for(example.tokens);
  r.target = example.position;
  r.causal_edits = 1 << 20;
  ExplainReport report = explain(model, r);
  const auto answers = {std::pair{report.target.id, 1.0}, std::pair{*report.target.contrast_id, 0.0}};
  for (const auto& [answer, right] : answers) {
    example.answer = answer;
    r.target_id = answer;
    report = explain(model, r);
    add_causal(model, r, report);
    const GoldTable table = gold_table(model, std::span(&example, 1), {});
    double worst = 0;
    for (const LayerReport& l : report.layers) worst = std::max(worst, l.max_residual);
    for (const MethodReport& m : report.methods) {
      const GoldRow& row = row_of(table, m.name);
      EXPECT_EQ(row.spearman, m.causal ? m.causal->spearman : std::nullopt) << m.name;
      EXPECT_EQ(row.sign_agreement, m.causal ? m.causal->sign_agreement : std::nullopt) << m.name;
      EXPECT_EQ(row.spearman != row.sign_agreement, m.causal.has_value());
    }
    EXPECT_EQ(table.max_residual, worst);
    EXPECT_EQ(table.accuracy, right);
  }
}

}  // namespace
}  // namespace hindscan
