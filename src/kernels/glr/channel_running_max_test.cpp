// Gates in the exponent under a running maximum: RWKV-4's ratio against its definition with keys of +-100, extremes and
// NaN, in double and on every instruction set.
#include "kernels/glr/channel_reference.h"
#include "kernels/glr/element_test_support.h"

namespace hindscan::kernels::glr {
namespace {

class RunningMaxIsa : public ElementIsa {};

// o_t = (sum_{j<t} e^{(t-1-j) f + k_j} v_j + e^{bonus + k_t} v_t) / (the same with v = 1), RWKV-4's definition.
template <class R>
void check_ratio(const Tolerance& bar) {
  const int64_t T = 40, D = 19;
  std::mt19937 rng(3);
  std::uniform_real_distribution<float> key(-100.0f, 100.0f), unit(0.0f, 1.0f);
  std::vector<R> f, k, v, bonus;
  for (int64_t i = 0; i < T * D; ++i) k.push_back(R(key(rng))), v.push_back(R(unit(rng) - 0.3f));
  for (int64_t i = 0; i < D; ++i) bonus.push_back(R(10 * unit(rng) - 5));
  for (int64_t i = 0; i < T * D; ++i) f.push_back(i % D < 3 ? R(-20) : R(-0.01 * static_cast<double>(1 + i % D)));
  std::vector<R> m0(static_cast<size_t>(D), -std::numeric_limits<R>::infinity());
  std::vector<R> g = poisoned<R>(T * D), w = g, m = g, r = g, u = g, num = g, den = g, ones(g.size(), R(1));
  running_max({T, D}, f.data(), k.data(), m0.data(), g.data(), w.data(), m.data(), bonus.data(), r.data(), u.data());
  std::vector<R> A(m0.size(), R(0)), B = A;
  ChannelCoeffs<R> c{g.data(), w.data(), r.data(), Read::kBefore, u.data()};
  channel_forward({T, D}, c, v.data(), A.data(), num.data());
  channel_forward({T, D}, c, ones.data(), B.data(), den.data());
  std::vector<double> found, expected;
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t d = 0; d < D; ++d) {
      const auto at = [&](int64_t j) { return static_cast<size_t>(j * D + d); };
      long double top = 0, all = 0;
      for (int64_t j = 0; j <= t; ++j) {
        long double log = static_cast<long double>(k[at(j)]) +
                          (j == t ? static_cast<long double>(bonus[static_cast<size_t>(d)]) : 0.0L);
        for (int64_t s = j + 1; s < t; ++s) log += static_cast<long double>(f[at(s)]);
        top += std::exp(log) * static_cast<long double>(v[at(j)]);
        all += std::exp(log);
      }
      expected.push_back(static_cast<double>(top / all));
      found.push_back(static_cast<double>(num[at(t)] / den[at(t)]));
      EXPECT_LE(m[at(t)], R(101));
    }
  }
  EXPECT_TRUE(agree(found, expected, bar));
}

TEST(RunningMax, RatioEqualsItsDefinitionInDouble) { check_ratio<double>(tol::kF64Recurrence.times(0.1)); }
TEST_P(RunningMaxIsa, RatioEqualsItsDefinition) { check_ratio<float>(tol::kF32Recurrence); }

// Log inputs far beyond exp's range, and nothing written yet: weights stay in [0, 1] and never NaN.
template <class R>
void check_extremes() {
  const R inf = std::numeric_limits<R>::infinity();
  const std::vector<R> i = {-inf, R(-3e4), R(3e4), R(-inf), R(100), R(-100)}, f = {0, 0, R(-1e4), -inf, R(-0.5), 0};
  const int64_t T = static_cast<int64_t>(i.size());
  std::vector<R> g = poisoned<R>(T), w = g, m = g, r = g, u = g, m0 = {-inf}, bonus = {R(2)};
  running_max({T, 1}, f.data(), i.data(), m0.data(), g.data(), w.data(), m.data(), bonus.data(), r.data(), u.data());
  for (size_t t = 0; t < i.size(); ++t) {
    for (const R weight : {w[t], r[t], u[t]}) EXPECT_TRUE(weight >= 0 && weight <= 1) << t;
    EXPECT_LE(g[t], R(1e-3)) << t;
  }
  EXPECT_EQ(m0[0], R(100));
  EXPECT_EQ(w[2], R(1));
  EXPECT_EQ(w[0], R(0));
}

// A NaN among the forget gates stays in its channel's maximum and reaches no other.
template <class R>
void check_nan_maximum() {
  const int64_t T = 5, D = 19;  // whole vectors and a tail
  std::vector<R> f(static_cast<size_t>(T * D), R(-0.5)), i(f.size(), R(1)), m0(static_cast<size_t>(D), R(0));
  for (const int64_t d : {1, 18}) f[static_cast<size_t>(2 * D + d)] = std::numeric_limits<R>::quiet_NaN();
  std::vector<R> g = poisoned<R>(T * D), w = g, m = g;
  running_max({T, D}, f.data(), i.data(), m0.data(), g.data(), w.data(), m.data(), nullptr, nullptr, nullptr);
  for (size_t at = 0; at < m.size(); ++at)
    EXPECT_EQ(std::isnan(m[at]), (at % 19 == 1 || at % 19 == 18) && at / 19 >= 2) << at;
  EXPECT_TRUE(std::isnan(m0[1]) && std::isnan(m0[18]));
}

TEST(RunningMax, NanStaysInDouble) { check_nan_maximum<double>(); }
TEST_P(RunningMaxIsa, NanStays) { check_nan_maximum<float>(); }

TEST(RunningMax, ExtremesStayFiniteInDouble) { check_extremes<double>(); }
TEST_P(RunningMaxIsa, ExtremesStayFinite) { check_extremes<float>(); }

HS_INSTANTIATE_ISAS(RunningMaxIsa);

}  // namespace
}  // namespace hindscan::kernels::glr
