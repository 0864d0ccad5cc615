// The head recurrence against its definition: forward, maps, value adjoint, block sums and residual.
#include "kernels/glr/extended.h"
#include "kernels/glr/head_cases.h"

namespace hindscan::kernels::glr {
namespace {

class Head : public ::testing::TestWithParam<HeadCase> {};
INSTANTIATE_TEST_SUITE_P(, Head, ::testing::ValuesIn(head_cases()), head_case_name);

constexpr Tolerance kDouble = tol::kF64Recurrence.or_empty(), kFloat = tol::kF32Forward.or_empty(),
                    kMaps = kFloat.times(4);

// Of a float run against double: a handful of numbers may round unluckily.
Tolerance float_bar(const HeadCase& c) { return kFloat.times(c.dims.T * c.dims.V < 64 ? 4 : 1); }

TEST_P(Head, ForwardIsItsDefinition) {
  const HeadProblem<float> p = random_head_problem(GetParam());
  const HeadProblem<double> exact = p.as<double>();
  const HeadOutput<double> want = brute_force(exact), reference = run_forward(exact);
  EXPECT_TRUE(agree(reference.y, want.y, kDouble));
  EXPECT_TRUE(agree(reference.S, want.S, kDouble));
  for (const Algorithm algorithm : {Algorithm::kAuto, Algorithm::kSequential, Algorithm::kChunked}) {
    const HeadOutput<float> got = run_forward(p, algorithm);
    EXPECT_TRUE(agree(got.y, want.y, float_bar(GetParam()))) << static_cast<int>(algorithm);
    EXPECT_TRUE(agree(got.S, want.S, float_bar(GetParam()))) << static_cast<int>(algorithm);
  }
}

// What residuals of double passes are measured against: other code, wider arithmetic, the same definition.
TEST_P(Head, ExtendedPrecisionIsItsDefinition) {
  const HeadProblem<double> p = random_head_problem(GetParam()).as<double>();
  const HeadOutput<double> want = brute_force(p);
  HeadOutput<double> got{poisoned<double>(static_cast<int64_t>(p.v.size())), p.S};
  head_forward_extended(p.shape.dims, p.coeffs(), p.v.data(), got.S.data(), got.y.data());
  EXPECT_TRUE(agree(got.y, want.y, kDouble));
  EXPECT_TRUE(agree(got.S, want.S, kDouble));
}

// The sequence in pieces with the state carried over.
TEST_P(Head, PiecesAreTheWhole) {
  const HeadProblem<float> p = random_head_problem(GetParam());
  const HeadDims& d = p.shape.dims;
  const HeadOutput<float> want = run_forward(p);
  HeadOutput<float> got{poisoned<float>(static_cast<int64_t>(p.v.size())), p.S};
  const int64_t cuts[] = {0, d.T / 3, d.T / 3, d.T - d.T / 4, d.T};
  for (int piece = 0; piece < 4; ++piece) {
    const int64_t t = cuts[piece];
    HeadDims part = d;
    part.T = cuts[piece + 1] - t;
    HeadCoeffs<float> c = p.coeffs();
    c.q += t * d.R * d.G * d.K, c.k += t * d.R * d.G * d.K;
    if (c.g) c.g += t * d.H * (c.decay == DecayShape::kRow ? d.K : 1);
    if (c.s) c.s += t * d.H;
    if (c.b) c.b += t * d.H * d.K, c.c += t * d.H * d.K;
    if (c.u && c.read == Read::kDecayed) c.u += t * d.H;
    head_forward(part, c, p.v.data() + t * d.R * d.H * d.V, got.S.data(), got.y.data() + t * d.R * d.H * d.V);
  }
  EXPECT_TRUE(agree(got.y, std::vector<double>{want.y.begin(), want.y.end()}, float_bar(GetParam())));
  EXPECT_TRUE(agree(got.S, std::vector<double>{want.S.begin(), want.S.end()}, float_bar(GetParam())));
}

template <class X>
std::vector<X> value_adjoint_of(const HeadProblem<X>& p, std::vector<X>* dS) {
  std::vector<X> dv(p.v.size(), X(0.5));
  head_value_adjoint(p.shape.dims, p.coeffs(), p.dy.data(), dS->data(), dv.data());
  for (X& value : dv) value -= X(0.5);
  return dv;
}

// <dy, y> is linear in v and S: its coefficients are the adjoints.
TEST_P(Head, ValueAdjointIsTheTranspose) {
  const HeadProblem<float> p = random_head_problem(GetParam());
  const HeadDims& d = p.shape.dims;
  HeadProblem<double> exact = p.as<double>();
  const std::vector<double> alpha = alpha_matrices(exact);
  const int64_t n = d.T * d.R;
  std::vector<double> want(exact.v.size()), dS(exact.S.size());
  for (int64_t h = 0; h < d.H; ++h) {
    for (int64_t i = 0; i < n * n; ++i) {
      for (int64_t e = 0; e < d.V; ++e) {
        want[static_cast<size_t>((i % n * d.H + h) * d.V + e)] +=
            alpha[static_cast<size_t>(h * n * n + i)] * exact.dy[static_cast<size_t>((i / n * d.H + h) * d.V + e)];
      }
    }
  }
  EXPECT_TRUE(agree(value_adjoint_of(exact, &dS), want, kDouble));
  std::vector<float> dS32(p.S.size());
  EXPECT_TRUE(agree(value_adjoint_of(p, &dS32), want, float_bar(GetParam())));
  EXPECT_TRUE(agree(dS32, dS, float_bar(GetParam())));

  // The state's share: <dS, S0> + <dv, v> = <dy, y> + <dS_end, S_end>.
  std::vector<double> adjoint(exact.S.rbegin(), exact.S.rend());
  const HeadOutput<double> out = run_forward(exact);
  double left = 0, right = 0;
  for (size_t i = 0; i < adjoint.size(); ++i) right += adjoint[i] * out.S[i];
  for (size_t i = 0; i < out.y.size(); ++i) right += exact.dy[i] * out.y[i];
  const std::vector<double> dv = value_adjoint_of(exact, &adjoint);
  for (size_t i = 0; i < adjoint.size(); ++i) left += adjoint[i] * exact.S[i];
  for (size_t i = 0; i < dv.size(); ++i) left += dv[i] * exact.v[i];
  EXPECT_TRUE(agree(left, right, tol::kF64Total));
}

TEST_P(Head, RowTimesMatrix) {
  const HeadProblem<float> p = random_head_problem(GetParam());
  const HeadProblem<double> exact = p.as<double>();
  const HeadDims& d = p.shape.dims;
  const int64_t n = d.T * d.R;
  const std::vector<double> alpha = alpha_matrices(exact);
  const std::vector<float> w(p.dy.begin(), p.dy.begin() + n * d.H);  // [T, R, H]
  const std::vector<double> w64(w.begin(), w.end());
  std::vector<double> want(static_cast<size_t>(n * d.H)), carry(static_cast<size_t>(d.H * d.K));
  for (int64_t h = 0; h < d.H; ++h) {
    for (int64_t i = 0; i < n * n; ++i) {
      want[static_cast<size_t>(i % n * d.H + h)] +=
          alpha[static_cast<size_t>(h * n * n + i)] * w64[static_cast<size_t>(i / n * d.H + h)];
    }
  }
  std::vector<double> out = poisoned<double>(n * d.H);
  head_row_times(d, exact.coeffs(), w64.data(), carry.data(), out.data());
  EXPECT_TRUE(agree(out, want, kDouble));
  std::vector<float> out32 = poisoned<float>(n * d.H), carry32(carry.size());
  head_row_times(d, p.coeffs(), w.data(), carry32.data(), out32.data());
  EXPECT_TRUE(agree(out32, want, kMaps));
  EXPECT_TRUE(agree(carry32, carry, kMaps));

  // Only what is carried: alpha of a later read.
  std::fill(carry32.begin(), carry32.end(), 1.0f);
  std::vector<double> carry64(carry.size(), 1.0);
  head_row_times(d, exact.coeffs(), nullptr, carry64.data(), out.data());
  head_row_times(d, p.coeffs(), nullptr, carry32.data(), out32.data());
  EXPECT_TRUE(agree(out32, out, kMaps));
  EXPECT_TRUE(agree(carry32, carry64, kMaps));
}

// Expected tile from whole matrices.
std::vector<double> tile_of(const HeadProblem<double>& p, const std::vector<double>& alpha, HeadMap map, int64_t head,
                            TileRange I, TileRange J, const HeadTileFold<double>& fold) {
  const HeadDims& d = p.shape.dims;
  const int64_t n = d.T * d.R;
  std::vector<double> out;
  for (int64_t i = I.begin; i < I.end; ++i) {
    for (int64_t j = J.begin; j < J.end; ++j) {
      double sum = 0;
      for (int64_t h = 0; h < d.H; ++h) {
        for (int64_t pair = 0; pair < d.R * d.R; ++pair) {
          if (map == HeadMap::kOne && head != h + d.H * pair) continue;
          double x = alpha[static_cast<size_t>((h * n + i * d.R + pair / d.R) * n + j * d.R + pair % d.R)];
          if (fold.gate) x *= fold.gate[i * d.H + h];
          if (fold.slope) x *= fold.slope[j * d.H + h];
          if (map == HeadMap::kMeanAbs) x = std::abs(x);
          if (map == HeadMap::kMeanPositive) x = std::max(x, 0.0);
          sum += x;
        }
      }
      out.push_back(map == HeadMap::kOne ? sum : sum / static_cast<double>(d.H * d.R * d.R));
    }
  }
  return out;
}

TEST_P(Head, TilesAreTheMatrix) {
  const HeadProblem<float> p = random_head_problem(GetParam());
  const HeadProblem<double> exact = p.as<double>();
  const HeadDims& d = p.shape.dims;
  if (d.T == 0) GTEST_SKIP() << "a case without tokens has no rows";
  const std::vector<double> alpha = alpha_matrices(exact);
  const std::vector<float> gate(p.dy.begin(), p.dy.begin() + d.T * d.H), slope(p.v.begin(), p.v.begin() + d.T * d.H);
  const std::vector<double> gate64(gate.begin(), gate.end()), slope64(slope.begin(), slope.end());
  const TileRange whole{0, d.T}, rows{d.T / 2, d.T - d.T / 5}, columns{d.T / 9, d.T - d.T / 3}, left{0, d.T / 3};
  const std::pair<TileRange, TileRange> ranges[] = {{whole, whole}, {rows, columns}, {rows, left}, {left, rows}};
  int number = 0;
  for (const HeadMap map : {HeadMap::kMean, HeadMap::kMeanAbs, HeadMap::kMeanPositive, HeadMap::kOne}) {
    const auto [I, J] = ranges[static_cast<size_t>(number++)];
    for (const bool folded : {false, true}) {
      const HeadTileFold<float> fold{folded ? gate.data() : nullptr, folded ? slope.data() : nullptr};
      const HeadTileFold<double> fold64{folded ? gate64.data() : nullptr, folded ? slope64.data() : nullptr};
      // The last head's last pair, or a read and a write that differ.
      const int64_t last = d.H * d.R * d.R - 1, mixed = d.R > 1 ? d.H : 0, head = folded ? last : mixed;
      const int64_t size = (I.end - I.begin) * (J.end - J.begin);
      for (const auto& [A, B] : {std::pair{I, J}, {whole, whole}}) {
        const std::vector<double> want = tile_of(exact, alpha, map, head, A, B, fold64);
        std::vector<double> out = poisoned<double>(static_cast<int64_t>(want.size()));
        head_tile(d, exact.coeffs(), map, head, A, B, fold64, out.data());
        EXPECT_TRUE(agree(out, want, kDouble)) << number << folded << size;
        std::vector<float> out32 = poisoned<float>(static_cast<int64_t>(want.size()));
        head_tile(d, p.coeffs(), map, head, A, B, fold, out32.data());
        EXPECT_TRUE(agree(out32, want, kMaps)) << number << folded << size;
      }
    }
  }
}

TEST_P(Head, BlockSumsAreSumsOfTheMatrix) {
  const HeadProblem<float> p = random_head_problem(GetParam());
  const HeadProblem<double> exact = p.as<double>();
  const HeadDims& d = p.shape.dims;
  const std::vector<double> matrix = tile_of(exact, alpha_matrices(exact), HeadMap::kMean, 0, {0, d.T}, {0, d.T}, {});
  const std::vector<int64_t> edges{0, d.T / 9, d.T / 9, d.T / 3, d.T / 2, d.T};
  std::vector<double> want(25);
  const auto block_of = [&](int64_t t) { return std::upper_bound(edges.begin(), edges.end(), t) - edges.begin() - 1; };
  for (int64_t i = 0; i < d.T * d.T; ++i) {
    want[static_cast<size_t>(block_of(i / d.T) * 5 + block_of(i % d.T))] += matrix[static_cast<size_t>(i)];
  }
  std::vector<double> out = poisoned<double>(25);
  head_block_sums(d, exact.coeffs(), -1, edges.data(), 5, out.data());
  EXPECT_TRUE(agree(out, want, kDouble));
  std::vector<float> out32 = poisoned<float>(25);
  head_block_sums(d, p.coeffs(), -1, edges.data(), 5, out32.data());
  EXPECT_TRUE(agree(out32, want, tol::kF32Recurrence.or_empty()));
  std::vector<double> mean(25);
  for (int64_t h = 0; h < d.H; ++h) {
    head_block_sums(d, exact.coeffs(), h, edges.data(), 5, out.data());
    for (size_t i = 0; i < 25; ++i) mean[i] += out[i] / static_cast<double>(d.H);
  }
  EXPECT_TRUE(agree(mean, want, kDouble));
}

TEST_P(Head, ResidualFindsAWrongToken) {
  const HeadProblem<float> p = random_head_problem(GetParam());
  const HeadDims& d = p.shape.dims;
  HeadOutput<float> out = run_forward(p);
  std::vector<double> S(p.S.begin(), p.S.end()), residual = poisoned<double>(d.T);
  head_forward_residual(d, p.coeffs(), p.v.data(), S.data(), out.y.data(), residual.data());
  for (const double r : residual) EXPECT_LT(r, 2e-5);
  EXPECT_TRUE(agree(out.S, S, float_bar(GetParam())));
  if (d.T < 2) return;
  for (int64_t i = 0; i < d.R * d.H * d.V; ++i) out.y[static_cast<size_t>((d.T - 2) * d.R * d.H * d.V + i)] *= 1.01f;
  S.assign(p.S.begin(), p.S.end());
  head_forward_residual(d, p.coeffs(), p.v.data(), S.data(), out.y.data(), residual.data());
  EXPECT_TRUE(agree(residual[static_cast<size_t>(d.T - 2)], 0.01, tol::kF32ResidualOfWrong));
  EXPECT_LT(residual[static_cast<size_t>(d.T - 1)], 2e-5);
}

}  // namespace
}  // namespace hindscan::kernels::glr
