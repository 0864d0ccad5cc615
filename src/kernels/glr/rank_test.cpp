// The recurrence with several steps a token against its definition: forward, maps by pulses, adjoints.
#include "kernels/glr/rank_test_support.h"

namespace hindscan::kernels::glr {
namespace {

using Complex = std::complex<double>;

class Rank : public ::testing::TestWithParam<RankCase> {
 protected:
  Rank() : p_(random_rank_problem(GetParam()).as<double>()), c_(p_.coeffs()) {}
  const RankDims& dims() const { return GetParam().dims; }
  int64_t writes() const { return dims().T * dims().r; }

  RankProblem<double> p_;
  RankCoeffs<double> c_;
};
INSTANTIATE_TEST_SUITE_P(, Rank, ::testing::ValuesIn(rank_cases()), rank_case_name);

constexpr Tolerance kDouble = tol::kF64Recurrence.or_empty();

TEST_P(Rank, ForwardIsItsDefinition) {
  const RankOutput<double> want = rank_by_hand(p_), got = rank_run(p_);
  EXPECT_TRUE(agree(got.y, want.y, kDouble));
  EXPECT_TRUE(agree(got.S, want.S, kDouble));
}

TEST_P(Rank, PiecesAreTheWhole) {
  const RankOutput<double> want = rank_run(p_);
  RankOutput<double> got{poisoned<double>(static_cast<int64_t>(p_.dy.size())), p_.S};
  std::vector<double> room = poisoned<double>(static_cast<int64_t>(2 * p_.v.size()));
  const int64_t cuts[] = {0, dims().T / 3, dims().T / 3, dims().T - dims().T / 4, dims().T};
  for (int piece = 0; piece < 4; ++piece) {
    const int64_t t = cuts[piece];
    RankDims part = dims();
    part.T = cuts[piece + 1] - t;
    rank_forward(part, at_token(dims(), c_, t), p_.v.data() + t * part.r * part.value(), got.S.data(),
                 got.y.data() + t * part.value(), room.data());
  }
  EXPECT_TRUE(agree(got.y, want.y, kDouble));
  EXPECT_TRUE(agree(got.S, want.S, kDouble));
}

// Every row of every head is what driving one write at a time gives; with the state before they add up to the output.
TEST_P(Rank, RowsArePulses) {
  const RankDims& n = dims();
  const std::vector<double> pulses = rank_pulses(p_), y = rank_by_hand(p_).y;
  for (int64_t t = 0; t < n.T; ++t) {
    std::vector<double> w(static_cast<size_t>(n.T * n.H)), carry(static_cast<size_t>(n.key())),
        alpha = poisoned<double>(writes() * n.H), row, sum(static_cast<size_t>(n.value()));
    std::fill_n(w.begin() + t * n.H, n.H, 1.0);
    rank_row_times(n, c_, w.data(), carry.data(), alpha.data());
    for (int64_t i = 0; i < writes() * n.value(); ++i) {
      const double d = c_.d == nullptr ? 1 : c_.d[i];
      row.push_back(alpha[static_cast<size_t>(i / n.V)] * d);
      sum[static_cast<size_t>(i % n.value())] += row.back() * p_.v[static_cast<size_t>(i)];
    }
    const auto at = pulses.begin() + t * writes() * n.value();
    EXPECT_TRUE(agree(row, std::vector<double>{at, at + writes() * n.value()}, kDouble)) << "row " << t;
    for (int64_t i = 0; i < n.key() * n.V; ++i)
      sum[static_cast<size_t>(i / n.V / n.K * n.V + i % n.V)] +=
          carry[static_cast<size_t>(i / n.V)] * p_.S[static_cast<size_t>(i)];
    const auto of_t = y.begin() + t * n.value();
    EXPECT_TRUE(agree(sum, std::vector<double>{of_t, of_t + n.value()}, kDouble)) << "output " << t;
  }
}

TEST_P(Rank, CarriedRowsGoOnWithoutReads) {
  const RankDims& n = dims();
  std::vector<double> w(static_cast<size_t>(n.T * n.H)), one(p_.S.begin(), p_.S.begin() + n.key()),
      other = one, a = poisoned<double>(writes() * n.H), b = a;
  rank_row_times(n, c_, w.data(), one.data(), a.data());
  rank_row_times(n, c_, static_cast<const double*>(nullptr), other.data(), b.data());
  EXPECT_TRUE(agree(b, a, tol::kEqual.or_empty()));
  EXPECT_TRUE(agree(other, one, tol::kEqual.or_empty()));
}

TEST_P(Rank, ValueAdjointIsTheTranspose) {
  const RankDims& n = dims();
  const std::vector<double> pulses = rank_pulses(p_);
  std::vector<double> dv(p_.v.size(), 0.5), dS(p_.S.size()), want(p_.v.size(), 0.5);
  rank_value_adjoint(n, c_, p_.dy.data(), dS.data(), dv.data());
  for (int64_t i = 0; i < static_cast<int64_t>(pulses.size()); ++i) {
    const int64_t t = i / (writes() * n.value()), write = i % (writes() * n.value());
    want[static_cast<size_t>(write)] +=
        pulses[static_cast<size_t>(i)] * p_.dy[static_cast<size_t>(t * n.value() + write % n.value())];
  }
  EXPECT_TRUE(agree(dv, want, kDouble));
  RankGrads<double> grads;
  std::vector<double> exact(p_.v.size(), 0.5), dS_exact(p_.S.size());
  grads.dv = exact.data(), grads.dS = dS_exact.data();
  rank_backward(n, c_, p_.v.data(), p_.S.data(), p_.dy.data(), grads);
  EXPECT_TRUE(agree(exact, want, kDouble));
  EXPECT_TRUE(agree(dS_exact, dS, kDouble));
}

// f of the pulses of one head (or all), the mean over channels and over writes (or one of them): [I, J].
template <class F>
std::vector<double> reduced(const RankDims& n, const std::vector<double>& pulses, int64_t head, int64_t write,
                            TileRange I, TileRange J, const F& f) {
  std::vector<double> out;
  for (int64_t i = I.begin; i < I.end; ++i) {
    for (int64_t j = J.begin; j < J.end; ++j) {
      double sum = 0, count = 0;
      for (int64_t at = 0; at < n.r * n.value(); ++at) {
        if (write >= 0 && at / n.value() != write) continue;
        if (head >= 0 && at % n.value() / n.V != head) continue;
        sum += j > i ? 0 : f(pulses[static_cast<size_t>((i * n.T + j) * n.r * n.value() + at)]);
        ++count;
      }
      out.push_back(sum / count);
    }
  }
  return out;
}

TEST_P(Rank, TilesArePulses) {
  const RankDims& n = dims();
  const std::vector<double> pulses = rank_pulses(p_);
  const int64_t head = n.H - 1;
  for (const auto& tile : {std::pair<TileRange, TileRange>{{0, n.T}, {0, n.T}}, {{n.T / 3, n.T}, {1, n.T / 2}}}) {
    const TileRange I = tile.first, J = tile.second;
    if (I.end <= I.begin || J.end <= J.begin) continue;
    for (int64_t write = -1; write < n.r; ++write) {
      const auto check = [&](HeadMap kind, int64_t of_head, auto&& f) {
        std::vector<double> out = poisoned<double>((I.end - I.begin) * (J.end - J.begin));
        rank_tile(n, c_, kind, head, write, I, J, out.data());
        EXPECT_TRUE(agree(out, reduced(n, pulses, of_head, write, I, J, f), kDouble)) << static_cast<int>(kind);
      };
      check(HeadMap::kOne, head, [](double x) { return x; });
      check(HeadMap::kMean, -1, [](double x) { return x; });
      check(HeadMap::kMeanAbs, -1, [](double x) { return std::abs(x); });
      check(HeadMap::kMeanPositive, -1, [](double x) { return std::max(x, 0.0); });
    }
  }
}

TEST_P(Rank, BlockSumsAreSumsOfTheMatrix) {
  const RankDims& n = dims();
  const std::vector<double> pulses = rank_pulses(p_);
  const std::vector<int64_t> edges = {0, n.T / 5, n.T / 2, n.T};
  for (const int64_t head : {int64_t{-1}, n.H - 1}) {
    std::vector<double> out = poisoned<double>(9), want(9);
    rank_block_sums(n, c_, head, edges.data(), 3, out.data());
    const std::vector<double> all = reduced(n, pulses, head, -1, {0, n.T}, {0, n.T}, [](double x) { return x; });
    for (size_t i = 0; i < all.size(); ++i) {
      const auto block = [&](int64_t t) { return std::upper_bound(edges.begin(), edges.end(), t) - edges.begin() - 1; };
      const int64_t at = static_cast<int64_t>(i);
      want[static_cast<size_t>(block(at / n.T) * 3 + block(at % n.T))] += all[i];
    }
    EXPECT_TRUE(agree(out, want, kDouble));
  }
}

// 1 + d(<dy, y> + <dS, S_end>) / d(some entries), by complex steps of the recurrence written out.
TEST_P(Rank, GradientsAreTheDerivatives) {
  for (double& g : p_.g) g = std::max(g, -800.0);  // exp(-inf + i 0) may be NaN in complex arithmetic
  RankGradients<double> got;
  rank_backward_of(p_, got);
  constexpr double kStep = 1e-30;
  RankProblem<Complex> p = p_.as<Complex>();
  for (size_t list = 0; list < 8; ++list) {
    std::vector<Complex>& x = *rank_inputs(p)[list];
    std::vector<double> want, found;
    for (size_t i = 0; i < x.size(); i += x.size() / 24 | 1) {
      const Complex saved = x[i];
      x[i] += Complex(0, kStep);
      const RankOutput<Complex> out = rank_by_hand(p);
      double sum = 0;
      for (size_t o = 0; o < out.y.size(); ++o) sum += p_.dy[o] * out.y[o].imag();
      for (size_t o = 0; o < out.S.size(); ++o) sum += p_.S[p_.S.size() - 1 - o] * out.S[o].imag();
      want.push_back(1 + sum / kStep);
      found.push_back((*got.lists[list])[i]);
      x[i] = saved;
    }
    EXPECT_TRUE(agree(found, want, kDouble.times(10))) << kRankInputs[list];
  }
}

}  // namespace
}  // namespace hindscan::kernels::glr
