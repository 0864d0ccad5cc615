// What a token's writes are worth to the target, where a method says so to first order: against writes of all layers
// that were really made a little smaller.
#include <gtest/gtest.h>

#include <numeric>

#include "base/testing/compare.h"
#include "eval/causal.h"
#include "eval/trial.h"
#include "explain/families_test_support.h"
#include "explain/rerun.h"
#include "explain/run_edits.h"
#include "explain/target.h"
#include "explain/value_tap_test_support.h"

namespace hindscan {
namespace {

class DroppedWrites : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, DroppedWrites, ::testing::ValuesIn(all_cases()),
                         [](const auto& name) { return name.param; });

// Whether the tap that drop-write edits empty is read as a factor of what the core writes, and by nothing else.
bool only_writes(const Ctx& ctx, const MixerView<double>& view) {
  const std::optional<ValueTap> tap = value_tap(ctx, view);
  return tap && tap->name == view.write_tap() && tap->first == 0;
}

// The target's value with the writes of one token in all layers times `scale`.
double value_at(const Model& model, const Input& input, std::span<const double> seed, const Writes& writes,
                int64_t token, double scale) {
  CtxOptions o;
  o.compute = DType::kF64;
  o.tap = [&](const TapView& view) {
    double* row = static_cast<double*>(view.data) + token * view.C;
    for (int64_t c = 0; writes.count(std::string(view.name)) > 0 && c < view.C; ++c) row[c] *= scale;
  };
  Ctx ctx(input, o);
  const Var h = model.arch().forward(ctx);
  const double* last = ctx.data<double>(h) + (ctx.rows(h) - 1) * ctx.cols(h);
  return std::inner_product(seed.begin(), seed.end(), last, 0.0);
}

std::vector<Edit> drops(int64_t tokens) {
  std::vector<Edit> out;
  for (int64_t t = 0; t < tokens; ++t) out.push_back({EditKind::kDropWrite, t, 0});
  return out;
}

TEST_P(DroppedWrites, RowLogitForetellsSmallOnesToFirstOrder) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  if (model.arch().sizes().feature_dim > 0 || model.arch().sizes().labels > 0) GTEST_SKIP() << "no next token";
  ExplainRequest r = request_of(model, 2000);
  r.methods = parse_methods("row-logit,half");
  Recorded pass(model, r);
  for (const auto& view : mixer_views<double>(pass.ctx)) {
    if (!only_writes(pass.ctx, *view)) GTEST_SKIP() << view->write_tap() << " does more than write";
  }
  const ExplainReport report = explain(model, r);
  ASSERT_TRUE(foretells_dropped_writes(report.methods[0]));
  EXPECT_FALSE(foretells_dropped_writes(report.methods[1]));
  const auto T = static_cast<int64_t>(r.tokens.size());
  const std::vector<double> foretold =
      predicted_changes(r, report, report.methods[0], report.methods[0].total(), drops(T));
  const std::vector<double> seed = target_seed(model, report.target);
  std::vector<double> slopes;
  for (int64_t t = 0; t < T; ++t) {
    constexpr double kStep = 1e-3;
    const auto at = [&](double less) { return value_at(model, pass.input, seed, report.window.writes, t, 1 - less); };
    slopes.push_back((8 * (at(kStep) - at(-kStep)) - (at(2 * kStep) - at(-2 * kStep))) / (12 * kStep));
  }
  EXPECT_TRUE(agree(foretold, slopes, tol::kMeanOfFloats));
}

TEST(LogP, OfEditedTextsIsThatOfTextsReadAlone) {
  const Model model = tiny_model(DType::kF64);
  ExplainRequest r = request_for(distinct_tokens(9));
  const ExplainReport report = explain(model, r);
  std::vector<Edit> edits;
  for (int64_t t = 8; t >= 0; t -= 2) edits.push_back({EditKind::kReplace, t, static_cast<int32_t>(100 + t)});
  std::vector<double> packed, alone;
  const std::vector<TargetReport> targets{report.target, log_p_of(report.target)};
  const std::vector<double> run = run_edits_of(model, r, targets, edits)[1];
  measure_edits(model, r, report, edits, nullptr, "edits", &packed);
  const auto log_p = [&](const std::vector<int32_t>& tokens) {
    return TextRunner(model, tokens, report.target, 64).unedited().log_p;
  };
  for (const Edit& e : edits) {
    std::vector<int32_t> tokens = r.tokens;
    tokens[static_cast<size_t>(e.position)] = e.replacement;
    alone.push_back(log_p(tokens) - log_p(r.tokens));
  }
  EXPECT_TRUE(agree(run, alone, tol::kF32Accumulated));
  EXPECT_TRUE(agree(packed, alone, tol::kF32Accumulated));
  EXPECT_TRUE(run_edits_of(model, r, targets, {})[1].empty());
}

}  // namespace
}  // namespace hindscan
