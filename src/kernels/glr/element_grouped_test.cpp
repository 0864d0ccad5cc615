// The element recurrence with groups of B and C against one ungrouped call per channel.
#include "kernels/glr/element_grouped.h"

#include "kernels/glr/element_test_support.h"

namespace hindscan::kernels::glr {
namespace {

// One channel of a grouped problem as an ungrouped one.
Problem<double> channel_problem(const Problem<double>& p, int64_t G, int64_t d) {
  const auto [T, D, N] = p.dims;
  const int64_t g = d / (D / G);
  Problem<double> one{{T, 1, N}, {}, {}, {}, {}, {}, {}, {}};
  for (int64_t t = 0; t < T; ++t) {
    const size_t at = static_cast<size_t>(t * D + d);
    one.dt.push_back(p.dt[at]), one.x.push_back(p.x[at]), one.dy.push_back(p.dy[at]);
    for (int64_t n = 0; n < N; ++n) {
      one.B.push_back(p.B[static_cast<size_t>((t * G + g) * N + n)]),
          one.C.push_back(p.C[static_cast<size_t>((t * G + g) * N + n)]);
    }
  }
  one.A.assign(p.A.begin() + d * N, p.A.begin() + (d + 1) * N);
  one.S.assign(p.S.begin() + d * N, p.S.begin() + (d + 1) * N);
  return one;
}

TEST(ElementGrouped, EqualsOneCallPerChannel) {
  const int64_t T = 20, D = 6, N = 3, G = 2;
  Problem<double> p = random_problem(T, D, N).as<double>();
  const Problem<double> more = random_problem(T, D, N * G, 7).as<double>();
  p.B = more.B, p.C = more.C;  // [T, G, N]
  const size_t size = static_cast<size_t>(T * D), state = static_cast<size_t>(D * N);
  std::vector<double> y(size), S = p.S, dx(size), write(size), decay(size), dA(state), dB(p.B.size()), dC(p.B.size()),
                               dS = p.S;
  std::vector<double> row(size), L(state), adjoint(size), M = p.S, tile(static_cast<size_t>(T * T)), sums(4);
  const std::vector<int64_t> edges = {0, 9, T};
  element_grouped_forward<double>(p.dims, G, p.coeffs(), p.x.data(), S.data(), y.data());
  element_grouped_backward<double>(p.dims, G, p.coeffs(), p.x.data(), p.S.data(), p.dy.data(),
                                   {dx.data(), write.data(), decay.data(), dA.data(), dB.data(), dC.data(), dS.data()});
  element_grouped_value_adjoint<double>(p.dims, G, p.coeffs(), p.dy.data(), M.data(), adjoint.data());
  element_grouped_row<double>(p.dims, G, p.coeffs(), T - 1, row.data(), L.data());
  element_grouped_tile<double>(p.dims, G, p.coeffs(), ElementMap::kMeanAbs, 0, {0, T}, {0, T}, {}, tile.data());
  element_grouped_block_sums<double>(p.dims, G, p.coeffs(), -1, edges.data(), 2, sums.data());

  std::vector<double> want_dB(dB.size()), want_dC(dB.size()), want_tile(tile.size()), want_sums(4);
  for (int64_t d = 0; d < D; ++d) {
    Problem<double> one = channel_problem(p, G, d);
    const auto column = [&, d_ = d, D_ = D, T_ = T](const std::vector<double>& from) {
      std::vector<double> out;
      for (int64_t t = 0; t < T_; ++t) out.push_back(from[static_cast<size_t>(t * D_ + d_)]);
      return out;
    };
    const auto states = [&, d_ = d, N_ = N](const std::vector<double>& from) {
      return std::vector<double>(from.begin() + d_ * N_, from.begin() + (d_ + 1) * N_);
    };
    std::vector<double> y1(static_cast<size_t>(T)), s1 = one.S, x1(y1.size()), w1 = x1, d1 = x1,
                                                    a1(static_cast<size_t>(N)), S1 = one.S;
    std::vector<double> b1(one.B.size()), c1(one.B.size()), r1(y1.size()), l1(a1.size()), v1(y1.size()),
        m1 = one.S, t1(tile.size()), q1(4);
    element_forward(one.dims, one.coeffs(), one.x.data(), s1.data(), y1.data());
    element_backward(one.dims, one.coeffs(), one.x.data(), one.S.data(), one.dy.data(),
                     {x1.data(), w1.data(), d1.data(), a1.data(), b1.data(), c1.data(), S1.data()});
    element_value_adjoint(one.dims, one.coeffs(), one.dy.data(), m1.data(), v1.data());
    element_row(one.dims, one.coeffs(), T - 1, r1.data(), l1.data());
    element_tile(one.dims, one.coeffs(), ElementMap::kMeanAbs, 0, {0, T}, {0, T}, {}, t1.data());
    element_block_sums(one.dims, one.coeffs(), -1, edges.data(), 2, q1.data());
    EXPECT_EQ(column(y), y1);
    EXPECT_EQ(states(S), s1);
    EXPECT_EQ(column(dx), x1);
    EXPECT_EQ(column(write), w1);
    EXPECT_EQ(column(decay), d1);
    EXPECT_EQ(states(dA), a1);
    EXPECT_EQ(states(dS), S1);
    EXPECT_EQ(column(adjoint), v1);
    EXPECT_EQ(states(M), m1);
    EXPECT_EQ(column(row), r1);
    EXPECT_EQ(states(L), l1);
    std::vector<double> tile_of_one(tile.size()), sums_of_one(4);
    element_grouped_tile<double>(p.dims, G, p.coeffs(), ElementMap::kChannel, d, {0, T}, {0, T}, {},
                                 tile_of_one.data());
    element_grouped_block_sums<double>(p.dims, G, p.coeffs(), d, edges.data(), 2, sums_of_one.data());
    std::vector<double> signed_tile(tile.size());
    element_tile(one.dims, one.coeffs(), ElementMap::kChannel, 0, {0, T}, {0, T}, {}, signed_tile.data());
    EXPECT_EQ(tile_of_one, signed_tile);
    EXPECT_EQ(sums_of_one, q1);
    for (int64_t i = 0; i < T * N; ++i) {
      const size_t at = static_cast<size_t>((i / N * G + d / (D / G)) * N + i % N);
      want_dB[at] += b1[static_cast<size_t>(i)], want_dC[at] += c1[static_cast<size_t>(i)];
    }
    for (size_t i = 0; i < tile.size(); ++i) want_tile[i] += t1[i] / static_cast<double>(D);
    for (size_t i = 0; i < 4; ++i) want_sums[i] += q1[i] / static_cast<double>(D);
  }
  EXPECT_TRUE(agree(dB, want_dB, tol::kF64Regrouped));
  EXPECT_TRUE(agree(dC, want_dC, tol::kF64Regrouped));
  EXPECT_TRUE(agree(tile, want_tile, tol::kF64Regrouped));
  EXPECT_TRUE(agree(sums, want_sums, tol::kF64Regrouped));
}

}  // namespace
}  // namespace hindscan::kernels::glr
