// Responses to edits, against the model run again on the edited text.
#include "explain/counterfactual_scan.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/families_test_support.h"
#include "explain/target.h"

namespace hindscan {
namespace {

class CounterfactualScans : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, CounterfactualScans, ::testing::ValuesIn(all_cases()),
                         [](const auto& name) { return name.param; });

// Value of the target of the request, or of an edited text whose tokens behind a removed one keep their positions.
double value_of(const Model& model, const ExplainRequest& r, const TargetReport& target, const Edit* edit) {
  SequenceState state = model.initial_state();
  std::vector<int32_t> tokens = r.tokens;
  const size_t at = edit == nullptr ? 0 : static_cast<size_t>(edit->position);
  Runner runner(model);
  const RunSequence before{std::span(tokens).first(at), &state};
  if (at > 0) runner.feed({&before, 1});
  if (edit != nullptr && edit->kind == EditKind::kReplace) tokens[at] = edit->replacement;
  const bool removed = edit != nullptr && edit->kind == EditKind::kRemove;
  if (removed) state.tokens += 1;
  std::vector<double> h;
  Input input;
  input.tokens = std::span(tokens).subspan(at + (removed ? 1 : 0));
  input.states = {&state};
  CtxOptions options;
  options.compute = model.compute();
  Ctx ctx(input, std::move(options));
  const Var out = model.arch().forward(ctx);
  return target_values(model, target, ctx, out).front();
}

std::vector<Edit> all_edits(const ExplainRequest& r) {
  std::vector<Edit> edits;
  for (int64_t t = 0; t < std::ssize(r.tokens); ++t) {
    if (t + 1 < std::ssize(r.tokens)) edits.push_back({EditKind::kRemove, t, 0});
    edits.push_back({EditKind::kReplace, t, (r.tokens[static_cast<size_t>(t)] + 7) % static_cast<int32_t>(kVocab)});
  }
  return edits;
}

struct Case {
  explicit Case(const std::string& name, DType dtype = DType::kF64)
      : model(random_model(config_of(name), dtype)), r(request_of(model, 2000)) {
    usable = !r.tokens.empty() && model.arch().sizes().labels == 0;
    if (!usable) return;
    r.methods = parse_methods("row");
    target = explain(model, r).target;
    edits = all_edits(r);
    const double base = value_of(model, r, target, nullptr);
    for (const Edit& e : edits) truth.push_back(value_of(model, r, target, &e) - base);
  }
  std::vector<double> scan(const ScanReach& reach) const {
    std::vector<double> out;
    for (const ScanResponse& s : scan_edits(model, r, target, edits, reach)) out.push_back(s.change);
    return out;
  }
  Model model;
  ExplainRequest r;
  TargetReport target;
  std::vector<Edit> edits;
  std::vector<double> truth;
  bool usable = false;
};

TEST_P(CounterfactualScans, AreTheRunEditWhereTheWindowMeetsTheTarget) {
  const Case c(GetParam());
  if (!c.usable) GTEST_SKIP() << "no language model";
  EXPECT_TRUE(agree(c.scan({kTokens, 0}), c.truth, tol::kF64Absolute));
  EXPECT_TRUE(agree(c.scan({2, kTokens}), c.truth, tol::kF64Absolute));
}

double skill(const std::vector<double>& predicted, const std::vector<double>& truth) {
  double error = 0, all = 0;
  for (size_t i = 0; i < truth.size(); ++i) {
    error += (predicted[i] - truth[i]) * (predicted[i] - truth[i]);
    all += truth[i] * truth[i];
  }
  return 1 - error / all;
}

TEST_P(CounterfactualScans, AreNearTheRunEditElsewhere) {
  const Case c(GetParam());
  if (!c.usable) GTEST_SKIP() << "no language model";
  std::vector<double> truth, predicted;
  const std::vector<ScanResponse> responses = scan_edits(c.model, c.r, c.target, c.edits, {4, 4});
  for (size_t i = 0; i < responses.size(); ++i) {
    if (responses[i].exact) continue;
    truth.push_back(c.truth[i]);
    predicted.push_back(responses[i].change);
  }
  ASSERT_GT(truth.size(), 10u);
  printf("%s skill %.4f\n", GetParam().c_str(), skill(predicted, truth));
  EXPECT_GT(skill(predicted, truth), 0.5);
}

}  // namespace
}  // namespace hindscan
