#include "eval/text_runner.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "eval/edit_draw.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

TargetReport target_of(const Model& model, const std::vector<int32_t>& tokens) {
  ExplainRequest r = request_for(tokens);
  r.methods = parse_methods("rollout");
  return explain(model, r).target;
}

std::vector<int32_t> edited(std::vector<int32_t> tokens, const Edit& e) {
  if (e.kind == EditKind::kRemove) tokens.erase(tokens.begin() + e.position);
  if (e.kind == EditKind::kReplace) tokens[static_cast<size_t>(e.position)] = e.replacement;
  return tokens;
}

double log_p(const Model& model, const std::vector<int32_t>& tokens, int32_t id) {
  SequenceState state = model.initial_state();
  Runner runner(model);
  const std::span<const float> logits = runner.step(tokens, state);
  double sum = 0;
  for (const float v : logits) sum += std::exp(static_cast<double>(v));
  return static_cast<double>(logits[static_cast<size_t>(id)]) - std::log(sum);
}

TEST(CausalRunner, ChangesAreThoseOfTheEditedTextReadWhole) {
  const Model model = tiny_model(DType::kF32);
  const std::vector<int32_t> tokens = distinct_tokens(9);
  const TargetReport target = target_of(model, tokens);
  std::vector<Edit> edits = removals(0, 8);
  Rng rng(1, "edits");
  for (const Edit& e : draw_random(tokens, 160, 0, 9, 2, rng)) edits.push_back(e);
  edits.push_back(edits[3]);  // once more
  for (const int64_t most : {9, 20, 4096}) {
    TextRunner runner(model, tokens, target, most);
    EXPECT_TRUE(agree(runner.unedited().contrast, target.value(), tol::kF32Accumulated));
    const std::vector<Outcome> changes = runner.changes(edits);
    ASSERT_EQ(changes.size(), edits.size());
    for (size_t i = 0; i < edits.size(); ++i) {
      const std::vector<int32_t> text = edited(tokens, edits[i]);
      EXPECT_TRUE(agree(changes[i].contrast, value_of(model, text, target) - target.value(), tol::kF32Accumulated))
          << edit_name(edits[i].kind) << " at " << edits[i].position << ", " << most;
      EXPECT_TRUE(agree(changes[i].log_p, log_p(model, text, target.id) - log_p(model, tokens, target.id),
                        tol::kF32Accumulated));
    }
    EXPECT_EQ(runner.texts_run(), std::ssize(edits));  // the text itself, and all edits but the second of two
  }
}

// Every parameter is moved, so that none stays at the zero or one that it is published with.
Model random_model(const Config& config) {
  Model m = Model::create(config, DType::kF64, 3);
  Rng rng(3, "runner");
  for (size_t i = 0; i < m.weights().size(); ++i) {
    Weight& w = m.weights()[i];
    for (int64_t k = 0; k < w.size(); ++k) static_cast<double*>(w.data)[k] += 0.1 * rng.normal();
  }
  return m.to(DType::kF32);
}

// A removed token leaves its place empty: under rotary positions the others keep their distances.
TEST(CausalRunner, LaterTokensKeepTheirPositionsWhenOneIsRemoved) {
  for (const auto& [name, has_positions] : {std::pair{"llama", true}, {"rwkv7", false}, {"recurrent_gemma", true}}) {
    const Model model = random_model(architecture_preset(name, {.d_model = 32, .n_layer = 3, .vocab_size = 60}));
    std::vector<int32_t> tokens;
    for (int32_t t = 0; t < 12; ++t) tokens.push_back(t * 7 % 60);
    const TargetReport target = target_of(model, tokens);
    TextRunner runner(model, tokens, target, 4096);
    const std::vector<Edit> edits = removals(4, 5);
    const double kept = runner.changes(edits)[0].contrast,
                 moved = value_of(model, edited(tokens, edits[0]), target) - target.value();
    EXPECT_NE(kept, 0) << name;
    EXPECT_EQ(std::abs(kept - moved) > 1e-5 * std::abs(moved) + 1e-6, has_positions) << name;
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
