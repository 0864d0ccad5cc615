// row-logit in every architecture: against rows of the map times values times the exact gradient, against values that
// were really changed, and against itself over other cuts of the text.
#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/families_test_support.h"
#include "explain/target.h"
#include "explain/value_tap_test_support.h"

namespace hindscan {
namespace {

class RowLogitFamilies : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, RowLogitFamilies, ::testing::ValuesIn(all_cases()),
                         [](const auto& name) { return name.param; });

ExplainReport by_row_logit(const Model& model, ExplainRequest r) {
  r.methods = parse_methods("row-logit");
  return explain(model, r);
}

// A pass with the exact gradient of the report's target.
struct Gradient {
  Gradient(const Model& model, const ExplainRequest& r, const TargetReport& target)
      : pass(model, r), seed(target_seed(model, target)) {
    Ctx& ctx = pass.ctx;
    std::copy(seed.begin(), seed.end(),
              ctx.grad<double>(pass.h) + (ctx.rows(pass.h) - 1) * static_cast<int64_t>(seed.size()));
    ctx.backward(exact_rules());
  }
  Recorded pass;
  std::vector<double> seed;  // [d_model]
};

// sum over t and d of g[t,d] alpha[t,j,d] v[j,d], alpha row by row.
std::vector<double> by_rows(Ctx& ctx, const MixerView<double>& view) {
  const Var out = ctx.nodes()[view.ops().core].out, values = view.values();
  const int64_t T = view.tokens(), M = view.maps(), C = ctx.cols(out), width = C / M, of_values = ctx.cols(values);
  const double *g = ctx.grad<double>(out), *v = ctx.data<double>(values);
  std::vector<double> c(static_cast<size_t>(T), 0.0), alpha(static_cast<size_t>(T * M));
  for (int64_t t = 0; t < T; ++t) {
    std::vector<double> w(static_cast<size_t>(T), 0.0), missing(static_cast<size_t>(view.channels()), 0.0);
    w[static_cast<size_t>(t)] = 1;
    RowCarry<double> carry;
    view.row(w.data(), carry, alpha.data(), missing.data());
    for (int64_t i = 0; i < T * C; ++i) {
      const int64_t j = i / C, d = i % C, m = d / width, column = m / (C / of_values) * width + d % width;
      c[static_cast<size_t>(j)] += g[t * C + d] * alpha[static_cast<size_t>(j * M + m)] * v[j * of_values + column];
    }
  }
  return c;
}

// Slope of the target as what the tap shows of one token grows: of fourth order.
double slope(const Model& model, const Input& input, std::span<const double> seed, const ValueTap& tap, int64_t token) {
  const auto at = [&](double step) {
    CtxOptions o;
    o.compute = DType::kF64;
    o.tap = [&](const TapView& view) {
      double* row = static_cast<double*>(view.data) + token * view.C;
      for (int64_t c = tap.first; view.name == tap.name && c < tap.first + tap.count; ++c) row[c] *= 1 + step;
    };
    Ctx ctx(input, o);
    const Var h = model.arch().forward(ctx);
    const double* last = ctx.data<double>(h) + (ctx.rows(h) - 1) * ctx.cols(h);
    double sum = 0;
    for (size_t i = 0; i < seed.size(); ++i) sum += seed[i] * last[i];
    return sum;
  };
  const double h = 1e-3;
  return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
}

// The layers of the report are floats: as close as these hold.
TEST_P(RowLogitFamilies, IsValuesTimesTheGradientThatReachesThem) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  const ExplainRequest r = request_of(model, 7);
  const ExplainReport report = by_row_logit(model, r),
                      in_float = by_row_logit(random_model(config_of(GetParam()), DType::kF32), r);
  const std::span<const float> layers = report.methods[0].layers();
  EXPECT_TRUE(agree(in_float.methods[0].layers(), layers, tol::kF32Gradients)) << "in float";
  Gradient exact(model, r, report.target);
  const auto views = mixer_views<double>(exact.pass.ctx);
  int checked = 0;
  for (size_t l = 0; l < views.size(); ++l) {
    const MixerView<double>& view = *views[l];
    const std::span<const float> row = layers.subspan(l * kTokens, kTokens);
    if (view.reads() == 1 && view.writes() == 1 && !view.reads_itself()) {
      EXPECT_TRUE(agree(row, by_rows(exact.pass.ctx, view), tol::kMeanOfFloats)) << "rows of layer " << view.layer;
      ++checked;
    }
    const std::optional<ValueTap> tap = value_tap(exact.pass.ctx, view);
    std::vector<float> found;
    std::vector<double> slopes;
    for (int64_t t = kTokens - 1; tap && t >= 0; t -= 3) {
      found.push_back(row[static_cast<size_t>(t)]);
      slopes.push_back(slope(model, exact.pass.input, exact.seed, *tap, t));
    }
    if (!tap) continue;
    EXPECT_TRUE(agree(found, slopes, tol::kMeanOfFloats)) << tap->name;
    ++checked;
  }
  EXPECT_GE(checked, static_cast<int>(views.size())) << "layers that nothing independent was compared with";
}

TEST_P(RowLogitFamilies, AnyCutOfTheTextGivesTheSame) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  const ExplainReport whole = by_row_logit(model, request_of(model, 2000));
  const std::span<const double> scores = whole.methods[0].scores();
  EXPECT_TRUE(agree(by_row_logit(model, request_of(model, 7)).methods[0].scores(), scores, tol::kF64SplitScores));
  if (model.arch().sizes().labels > 0 || whole.vectors || request_of(model, 7).tokens.empty()) return;
  constexpr size_t kCut = 9;
  const std::vector<int32_t> tokens = some_tokens();
  const SequenceState state = state_after(model, std::span(tokens).first(kCut));
  ExplainRequest tail = request_for({tokens.begin() + kCut, tokens.end()}, 5);
  tail.state_in = &state;
  EXPECT_TRUE(agree(by_row_logit(model, tail).methods[0].scores(), scores.subspan(kCut), tol::kF64SplitScores));
}

// In a model of one layer the tokens before a state reach the target through the state alone.
TEST(RowLogit, AStateBringsWhatItsTokensWrote) {
  for (const char* family : {"mamba", "mamba2", "mamba3", "gla", "rwkv4", "rwkv6", "rwkv7", "gated_deltanet",
                             "gated_deltaproduct", "xlstm", "llama"}) {
    const Model model = random_model(architecture_preset(family, {32, 1, kVocab}), DType::kF64);
    constexpr size_t kCut = 9;
    const std::vector<int32_t> tokens = some_tokens();
    const SequenceState state = state_after(model, std::span(tokens).first(kCut));
    ExplainRequest tail = request_for({tokens.begin() + kCut, tokens.end()}, 5);
    tail.state_in = &state;
    const ExplainReport whole = by_row_logit(model, request_of(model, 7));
    const std::span<const double> scores = whole.methods[0].scores();
    const double before = std::accumulate(scores.begin(), scores.begin() + kCut, 0.0);
    EXPECT_GT(std::abs(before), 1e-6) << family;
    EXPECT_TRUE(agree(by_row_logit(model, tail).methods[0].total().state, before, tol::kMeanOfFloats.times(10)))
        << family;
  }
}

TEST(RowLogit, KnowsTheTargetAndIsNoDecomposition) {
  const Model model = tiny_model(DType::kF64);
  ExplainRequest r = request_for(distinct_tokens(12));
  const ExplainReport one = by_row_logit(model, r);
  r.target_id = *one.target.contrast_id;
  r.contrast = Contrast::kId;
  r.contrast_id = one.target.id;
  const MethodReport other = by_row_logit(model, r).methods[0], &m = one.methods[0];
  EXPECT_FALSE(m.total().completeness);
  EXPECT_TRUE(m.targeted);
  std::vector<double> turned(m.scores().begin(), m.scores().end());
  for (double& s : turned) s = -s;
  EXPECT_TRUE(agree(other.scores(), turned, tol::kMeanOfFloats)) << "token and contrast changed places";
}

}  // namespace
}  // namespace hindscan
