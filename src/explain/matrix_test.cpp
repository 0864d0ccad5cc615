#include "explain/matrix.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/matrix_estimate.h"
#include "explain/matrix_fill.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

struct Case {
  MapKind map;
  Fidelity fidelity;
};

std::vector<double> brute_map(const Model& model, const std::vector<int32_t>& tokens, size_t layer,
                              const MatrixRequest& r) {
  Recorded pass(model, tokens);
  const auto views = mixer_views<double>(pass.ctx);
  const MixerView<double>& view = *views[layer];
  const int64_t T = static_cast<int64_t>(tokens.size());
  const std::vector<double> alpha =
      r.fidelity == Fidelity::kCore ? brute_alpha(pass.ctx, view) : brute_mixer(pass.ctx, view);
  switch (r.map) {
    case MapKind::kAbs:
      return channel_mean(alpha, T, [](double v) { return std::abs(v); });
    case MapKind::kPositive:
      return channel_mean(alpha, T, [](double v) { return std::max(v, 0.0); });
    case MapKind::kChannel:
      return {alpha.begin() + r.channel * T * T, alpha.begin() + (r.channel + 1) * T * T};
    case MapKind::kMean:
      break;
  }
  return channel_mean(alpha, T, [](double v) { return v; });
}

const std::vector<Case> kCases = {{MapKind::kMean, Fidelity::kCore},      {MapKind::kAbs, Fidelity::kCore},
                                  {MapKind::kPositive, Fidelity::kCore},  {MapKind::kChannel, Fidelity::kCore},
                                  {MapKind::kMean, Fidelity::kMixer},     {MapKind::kAbs, Fidelity::kMixer},
                                  {MapKind::kPositive, Fidelity::kMixer}, {MapKind::kChannel, Fidelity::kMixer}};

MatrixRequest request_of(const std::vector<int32_t>& tokens, const Case& c, int64_t chunk) {
  MatrixRequest r;
  r.tokens = tokens;
  r.layer = 1;
  r.map = c.map;
  r.channel = 5;
  r.fidelity = c.fidelity;
  r.chunk = chunk;
  return r;
}

TEST(Matrix, TilesEqualTheDefinition) {
  const Model reference = tiny_model(DType::kF64);
  for (DType dtype : {DType::kF64, DType::kF32}) {
    const Model model = tiny_model(dtype);
    for (int64_t T : {1, 2, 17, 63, 130}) {
      const std::vector<int32_t> tokens = distinct_tokens(T);
      for (const Case& c : kCases) {
        MatrixRequest r = request_of(tokens, c, T == 63 ? 10 : 2000);
        const std::vector<double> expected = brute_map(reference, tokens, 1, r);
        const auto compare = [&](const TokenRange& rows, const TokenRange& cols) {
          const MatrixResult got = matrix(model, r);
          ASSERT_EQ(got.rows, rows.end - rows.begin);
          ASSERT_EQ(got.cols, cols.end - cols.begin);
          std::vector<double> part, size;
          for (int64_t i = 0; i < got.rows * got.cols; ++i)
            part.push_back(expected[static_cast<size_t>((rows.begin + i / got.cols) * T + cols.begin + i % got.cols)]);
          size.assign(part.size(), largest(expected));
          ASSERT_TRUE(agree(got.values, part, size, tol::kF32Tile))
              << "T " << T << " map " << static_cast<int>(c.map) << " fidelity " << static_cast<int>(c.fidelity);
        };
        compare({0, T}, {0, T});
        if (T < 17) continue;
        for (const auto& [rows, cols] :
             {std::pair{TokenRange{T - 3, T}, TokenRange{0, 5}}, std::pair{TokenRange{2, 12}, TokenRange{7, T}},
              std::pair{TokenRange{5, 6}, TokenRange{5, 6}}, std::pair{TokenRange{0, 3}, TokenRange{5, T}},
              std::pair{TokenRange{9, 16}, TokenRange{3, 11}}}) {
          r.rows = rows;
          r.cols = cols;
          compare(rows, cols);
        }
      }
    }
  }
}

// Under the name of sums stand sums; bounds have names of their own.
TEST(CaseA7, BlockSumsAreExactAndBoundsAreCalledSo) {
  const Model reference = tiny_model(DType::kF64);
  for (DType dtype : {DType::kF64, DType::kF32}) {
    const Model model = tiny_model(dtype);
    for (int64_t T : {17, 130}) {
      const std::vector<int32_t> tokens = distinct_tokens(T);
      for (const Case& c : kCases) {
        MatrixRequest r = request_of(tokens, c, 50);
        r.blocks = 5;
        const bool bounds = c.fidelity == Fidelity::kCore && (c.map == MapKind::kAbs || c.map == MapKind::kPositive);
        const std::vector<double> full = brute_map(reference, tokens, 1, r);
        const MatrixResult got = matrix(model, r);
        ASSERT_EQ(got.rows, 5);
        ASSERT_EQ(got.edges.back(), T);
        std::vector<double> sums(25, 0.0);
        for (size_t p = 0; p < 5; ++p) {
          for (size_t q = 0; q <= p; ++q) {
            for (int64_t i = got.edges[p]; i < got.edges[p + 1]; ++i) {
              for (int64_t j = got.edges[q]; j < std::min(got.edges[q + 1], i + 1); ++j)
                sums[p * 5 + q] += full[static_cast<size_t>(i * T + j)];
            }
          }
        }
        const double bar = 2e-5 * largest(sums);
        ASSERT_TRUE(got.lower.empty() && got.upper.empty() && !got.tightness);
        ASSERT_TRUE(agree(got.values, sums, std::vector<double>(25, largest(sums)), tol::kF32Tile));
        r.sums = Sums::kBounds;
        if (!bounds) {
          EXPECT_THROW(matrix(model, r), Error);
          continue;
        }
        const MatrixResult bounded = matrix(model, r);
        ASSERT_TRUE(bounded.values.empty());
        double lower = 0, upper = 0;
        for (size_t b = 0; b < 25; ++b) {
          lower += static_cast<double>(bounded.lower[b]);
          upper += static_cast<double>(bounded.upper[b]);
          ASSERT_LE(static_cast<double>(bounded.lower[b]), sums[b] + bar) << b;
          ASSERT_GE(static_cast<double>(bounded.upper[b]), sums[b] - bar) << b;
        }
        EXPECT_TRUE(agree(bounded.tightness.value(), lower / upper, tol::kMeanOfFloats));
        EXPECT_LT(bounded.tightness.value(), 1.0);
      }
    }
  }
}

TEST(CaseA7, SumsOfLongTextsAreBoundedOnlyWhereExactOnesAreNotAffordable) {
  const Model model = tiny_model(DType::kF32);
  MatrixRequest r = request_of({}, {MapKind::kAbs, Fidelity::kCore}, 2000);
  r.blocks = 4;
  const auto bounded = [&](int64_t T) {
    r.tokens.assign(static_cast<size_t>(T), 7);
    const MatrixEstimate e = outline_matrix(model, r, make_matrix_plan(model, r)).estimate;
    EXPECT_GT(e.exact_seconds, 0) << T;
    return e.bounded;
  };
  EXPECT_FALSE(bounded(100));
  EXPECT_TRUE(bounded(1 << 20));
  r.sums = Sums::kExact;
  EXPECT_FALSE(outline_matrix(model, r, make_matrix_plan(model, r)).estimate.bounded);
}

TEST(Matrix, RequestsAreChecked) {
  const Model model = tiny_model(DType::kF32);
  const auto code = [&](auto&& change) {
    MatrixRequest r = request_of(distinct_tokens(20), {MapKind::kMean, Fidelity::kCore}, 2000);
    change(r);
    try {
      matrix(model, r);
    } catch (const Error& e) {
      return e.code();
    }
    return ErrorCode::kInternal;
  };
  EXPECT_EQ(code([](MatrixRequest& r) { r.layer = 3; }), ErrorCode::kUsage);
  EXPECT_EQ(code([](MatrixRequest& r) { r.tokens.clear(); }), ErrorCode::kUsage);
  EXPECT_EQ(code([](MatrixRequest& r) { r.map = MapKind::kChannel, r.channel = 12; }), ErrorCode::kUsage);
  EXPECT_EQ(code([](MatrixRequest& r) {
              r.map = MapKind::kChannel, r.channel = 12;
              r.rows = TokenRange{0, 1}, r.cols = TokenRange{2, 3};  // above the diagonal
            }),
            ErrorCode::kUsage);
  EXPECT_EQ(code([](MatrixRequest& r) { r.features = {1, 2}; }), ErrorCode::kUsage);
  EXPECT_EQ(code([](MatrixRequest& r) { r.rows = TokenRange{4, 30}; }), ErrorCode::kUsage);
  EXPECT_EQ(code([](MatrixRequest& r) { r.blocks = 21; }), ErrorCode::kUsage);
  EXPECT_EQ(code([](MatrixRequest& r) { r.mem_limit = 1000; }), ErrorCode::kResource);
  MatrixRequest r;
  EXPECT_THROW(parse_map("median", r), Error);
  parse_map("17", r);
  EXPECT_TRUE(r.map == MapKind::kChannel && r.channel == 17);
}

// Many rows of more columns than a tile has are those of their parts.
TEST(Matrix, RowsWiderThanATileAreTheOnesOfTheirParts) {
  const Model model = tiny_model(DType::kF32, {.n_layer = 1});
  MatrixRequest r;
  const int64_t wide = tile_cols(kTile);
  r.tokens.assign(static_cast<size_t>(wide) + 600, 3);
  const int64_t T = std::ssize(r.tokens);
  for (int64_t t = 0; t < T; ++t) r.tokens[static_cast<size_t>(t)] = static_cast<int32_t>(t * t % 160);
  r.rows = TokenRange{T - kTile, T};
  const MatrixResult all = matrix(model, r);
  for (const TokenRange cols : {TokenRange{0, 50}, TokenRange{wide - 10, wide + 10}, TokenRange{T - 50, T}}) {
    r.cols = cols;
    const MatrixResult part = matrix(model, r);
    std::vector<float> same;
    for (int64_t i = 0; i < kTile; ++i)
      same.insert(same.end(), all.values.begin() + i * T + cols.begin, all.values.begin() + i * T + cols.end);
    EXPECT_TRUE(agree(part.values, same, tol::kF32Scores));
  }
}

}  // namespace
}  // namespace hindscan
