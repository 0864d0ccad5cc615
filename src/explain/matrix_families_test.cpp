// Every architecture: rows agree with matrices, blocks with entries, and what key dropping leaves out is measured.
#include <gtest/gtest.h>

#include <cmath>

#include "base/testing/compare.h"
#include "explain/families_test_support.h"
#include "explain/matrix.h"

namespace hindscan {
namespace {

// Of a layer that mixes tokens.
MatrixRequest matrix_request(const Model& model, const ExplainRequest& r) {
  MatrixRequest q;
  q.tokens = r.tokens;
  q.features = r.features;
  q.layer = mixer_layer(model, r);
  return q;
}

class MatrixFamilies : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, MatrixFamilies, ::testing::ValuesIn(all_cases()),
                         [](const auto& name) { return name.param; });

TEST_P(MatrixFamilies, MatrixRowsAreTheRowsOfTheRowMethod) {
  for (DType dtype : {DType::kF64, DType::kF32}) {
    const Model model = random_model(config_of(GetParam()), dtype);
    ExplainRequest r = request_of(model, 2000);
    if (model.arch().sizes().labels > 0)
      GTEST_SKIP() << "this model judges whole texts: what is explained is a mean of rows";
    r.methods = parse_methods("row");
    const ExplainReport report = explain(model, r);
    int mixer = 0;
    for (size_t l = 0; l < report.layers.size(); ++l) {
      mixer = l > 0 && report.layers[l].layer == report.layers[l - 1].layer ? mixer + 1 : 0;
      for (Fidelity fidelity : {Fidelity::kCore, Fidelity::kMixer}) {
        if (fidelity == Fidelity::kMixer && report.layers[l].structure.kind == "nonlinear") continue;
        MatrixRequest q;
        q.tokens = r.tokens;
        q.features = r.features;
        q.layer = report.layers[l].layer;
        q.mixer = mixer;
        q.fidelity = fidelity;
        q.chunk = 6;
        q.rows = TokenRange{kTokens - 1, kTokens};
        const MatrixResult got = matrix(model, q);
        EXPECT_EQ(got.structure.kind, report.layers[l].structure.kind);
        const std::span<const float> rows =
            report.methods[0].find(fidelity == Fidelity::kCore ? "core" : "mixer", true)->layers();
        const auto row = rows.begin() + static_cast<std::ptrdiff_t>(l) * kTokens;
        EXPECT_TRUE(agree(std::vector<double>{row, row + kTokens},
                          std::vector<double>{got.values.begin(), got.values.end()}, tol::kF32Scores))
            << fmt::format("{} of layer {} at fidelity {}", got.structure.kind, q.layer, static_cast<int>(fidelity));
      }
    }
  }
}

// What is left when all that may be left out is left out, and that it was there.
TEST_P(MatrixFamilies, PartsOfTheMixerMayBeLeftOut) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  const ExplainRequest r = request_of(model, 2000);
  MatrixRequest q = matrix_request(model, r);
  Recorded pass(model, r);
  const auto views = mixer_views<double>(pass.ctx);
  const MixerOps& ops = views.back()->ops();
  if (!views.back()->folds()) GTEST_SKIP() << "nothing folds in";
  for (const auto& view : views) q.mixer = view->layer == q.layer ? q.mixer + 1 : 0;
  q.mixer -= 1;
  q.fidelity = Fidelity::kMixer;
  const std::vector<float> whole = matrix(model, q).values;
  const std::pair<MixerPart, size_t> parts[] = {
      {MixerPart::kConv, ops.conv}, {MixerPart::kActivation, ops.activation}, {MixerPart::kGate, ops.gate}};
  for (const auto& [part, at] : parts) {
    q.without = {part};
    if (at == MixerOps::npos) {
      EXPECT_THROW(matrix(model, q), Error) << static_cast<int>(part);
      continue;
    }
    const std::vector<float> less = matrix(model, q).values;
    EXPECT_FALSE(agree(less, whole, tol::kF32Scores)) << static_cast<int>(part);
    EXPECT_TRUE(std::isfinite(largest(less))) << static_cast<int>(part);
  }
}

// Parts of any request, of any text, can be timed on their own.
TEST_P(MatrixFamilies, EveryRequestHasAnEstimate) {
  const Model model = random_model(config_of(GetParam()), DType::kF32);
  const ExplainRequest r = request_of(model, 2000);
  MatrixRequest q = matrix_request(model, r);
  const auto expect_seconds = [&](const char* what) {
    const MatrixEstimate e = estimate_matrix(model, q);
    EXPECT_TRUE(std::isfinite(e.seconds) && e.seconds > 0) << what << ": " << e.seconds;
    EXPECT_TRUE(e.quadratic_seconds >= 0 && e.quadratic_seconds < e.seconds) << what << ": " << e.quadratic_seconds;
  };
  expect_seconds("whole");
  q.rows = TokenRange{kTokens - 1, kTokens}, q.cols = TokenRange{0, 2};
  expect_seconds("corner");
  q.rows = TokenRange{0, 1}, q.cols = TokenRange{2, 3};
  expect_seconds("above the diagonal");
  q.rows.reset(), q.cols.reset();
  for (int64_t blocks : {int64_t{1}, kTokens}) {
    q.blocks = blocks;
    expect_seconds("blocks");
  }
  q.chunk = 3;
  expect_seconds("chunks");
}

TEST_P(MatrixFamilies, BlocksAreSumsOfEntries) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  const ExplainRequest r = request_of(model, 2000);
  MatrixRequest q = matrix_request(model, r);
  const MatrixResult all = matrix(model, q);
  q.blocks = 4;
  const MatrixResult blocks = matrix(model, q);
  std::vector<double> sums(16, 0.0);
  for (size_t i = 0; i < static_cast<size_t>(kTokens * kTokens); ++i) {
    const auto block = [&](size_t t) {
      return static_cast<size_t>(std::upper_bound(blocks.edges.begin(), blocks.edges.end(), static_cast<int64_t>(t)) -
                                 blocks.edges.begin()) -
             1;
    };
    sums[block(i / kTokens) * 4 + block(i % kTokens)] += static_cast<double>(all.values[i]);
  }
  EXPECT_TRUE(agree(sums, std::vector<double>{blocks.values.begin(), blocks.values.end()}, tol::kF32Scores.times(0.5)))
      << "blocks";
}

// The sentence and the numbers of an estimate name the same layer as the worst.
void expect_worst_layer_is_named(const MethodReport& row) {
  double worst = -1;
  int64_t layer = -1;
  for (const Json& l : row.details.find("estimator")->find("layers")->items()) {
    const double error = l.find("relative_l2")->as_double();
    if (error > worst) worst = error, layer = l.find("layer")->as_int();
  }
  ASSERT_EQ(row.notes.size(), 1u);
  EXPECT_NE(row.notes[0].text.find(fmt::format("worst in layer {}: relative error {:.3f}", layer, worst)),
            std::string::npos)
      << row.notes[0].text;
}

TEST_P(MatrixFamilies, KeyDroppingIsMeasuredWhereItDiffersAndRefusedElsewhere) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  ExplainRequest r = request_of(model, 7);
  r.methods = parse_methods("row");
  const ExplainReport exact = explain(model, r);
  const bool rank1 = std::any_of(exact.layers.begin(), exact.layers.end(),
                                 [](const LayerReport& l) { return l.structure.kind == "glr.rank1"; });
  r.methods = parse_methods("row:estimator=key-dropping");
  if (!rank1) {
    EXPECT_THROW(explain(model, r), Error);
    return;
  }
  const ExplainReport report = explain(model, r);
  const MethodReport& row = report.methods[0];
  EXPECT_EQ(row.name, "row:estimator=key-dropping");
  EXPECT_EQ(row.total().name, "core-key-dropping");
  ASSERT_NE(row.find("core"), nullptr);
  EXPECT_TRUE(std::ranges::equal(row.find("core")->tokens(), exact.methods[0].scores()));
  const Json* e = row.details.find("estimator");
  ASSERT_NE(e, nullptr);
  EXPECT_GT(e->find("relative_l2")->as_double(), 0);
  EXPECT_LT(e->find("cosine")->as_double(), 1);
  EXPECT_GT(e->find("spurious")->as_double(), 0);
  EXPECT_LT(e->find("spurious")->as_double(), 1);
  expect_worst_layer_is_named(row);
}

// q_t (product of the decays) s_j k_j, the transition's rank-1 term left out.
std::vector<double> dropped_row(const HeadDetail<double>& d) {
  const auto [T, H, G, K, V, R] = d.dims;
  std::vector<double> out(static_cast<size_t>(T * H), 0.0);
  for (int64_t j = 0; j < T; ++j) {
    for (int64_t i = 0; i < H * K; ++i) {
      const int64_t h = i / K, from = (j * G + h / (H / G)) * K + i % K, to = ((T - 1) * G + h / (H / G)) * K + i % K;
      double decay = 0;
      for (int64_t t = j + 1; t < T && d.coeffs.g != nullptr; ++t)
        decay += d.coeffs.decay == kernels::glr::DecayShape::kRow ? d.coeffs.g[t * H * K + i] : d.coeffs.g[t * H + h];
      const double write = d.coeffs.s == nullptr ? 1 : d.coeffs.s[j * H + h];
      out[static_cast<size_t>(j * H + h)] += d.coeffs.q[to] * std::exp(decay) * write * d.coeffs.k[from];
    }
  }
  return out;
}

TEST_P(MatrixFamilies, KeyDroppingRowsAreTheirDefinition) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  const ExplainRequest r = request_of(model, 2000);
  Recorded pass(model, r);
  for (const auto& view : mixer_views<double>(pass.ctx, Estimator::kKeyDropping)) {
    if (!view->has_key_dropping()) continue;
    const HeadDetail<double>& detail = detail_as<HeadDetail<double>>(*pass.ctx.nodes()[view->ops().core].mixer);
    std::vector<double> w(kTokens, 0.0), row(static_cast<size_t>(kTokens * view->maps())),
        missing(static_cast<size_t>(view->channels()));
    w.back() = 1;
    RowCarry<double> carry;
    view->row(w.data(), carry, row.data(), missing.data());
    EXPECT_TRUE(agree(dropped_row(detail), row, tol::kF64Scores)) << fmt::format("layer {}", view->layer);
  }
}

}  // namespace
}  // namespace hindscan
