// The channel recurrence against the formula of alpha, its gradients against complex steps and finite differences, in
// double and on every instruction set.
#include <complex>

#include "kernels/glr/channel_reference.h"
#include "kernels/glr/element_test_support.h"

namespace hindscan::kernels::glr {
namespace {

class ChannelIsa : public ElementIsa {};

template <class R>
struct ChannelProblem {
  ChannelDims dims;
  Read read;
  bool weights;
  std::vector<R> g, w, r, u, v, S, dy;

  ChannelCoeffs<R> coeffs() const {
    ChannelCoeffs<R> c{g.data()};
    if (weights) c.w = w.data(), c.r = r.data(), c.u = u.data();
    c.read = read;
    return c;
  }
  template <class Q>
  ChannelProblem<Q> as() const {
    const auto cast = [](const std::vector<R>& from) { return std::vector<Q>(from.begin(), from.end()); };
    return {dims, read, weights, cast(g), cast(w), cast(r), cast(u), cast(v), cast(S), cast(dy)};
  }
};

ChannelProblem<float> random_channels(int64_t T, int64_t D, Read read, bool weights, unsigned seed = 1) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> unit(0.0f, 1.0f);
  ChannelProblem<float> p{{T, D}, read, weights, {}, {}, {}, {}, {}, {}, {}};
  for (int64_t i = 0; i < T * D; ++i) {
    const float pick = unit(rng);
    p.g.push_back(pick < 0.02f   ? -std::numeric_limits<float>::infinity()
                  : pick < 0.05f ? -30.0f
                                 : -std::pow(10.0f, -3 * unit(rng)));
  }
  for (auto* to : {&p.w, &p.r, &p.u, &p.v, &p.dy}) {
    for (int64_t i = 0; i < T * D; ++i) to->push_back(normal(rng));
  }
  for (int64_t i = 0; i < D; ++i) p.S.push_back(normal(rng));
  return p;
}

struct Size {
  int64_t T, D;
};
constexpr Size kSizes[] = {{0, 3}, {1, 1}, {2, 16}, {17, 7}, {64, 65}, {131, 37}};

template <class R>
double entry(const std::vector<R>& from, int64_t at) {
  return static_cast<double>(from[static_cast<size_t>(at)]);
}

// alpha[d, t, j] from its formula.
template <class R>
double alpha(const ChannelProblem<R>& p, int64_t d, int64_t t, int64_t j) {
  if (j > t) return 0;
  const int64_t D = p.dims.D, last = p.read == Read::kBefore ? t - 1 : t;
  const double r = p.weights ? entry(p.r, t * D + d) : 1, w = p.weights ? entry(p.w, j * D + d) : 1;
  if (p.read == Read::kBefore && j == t) return p.weights ? entry(p.u, t * D + d) : 0;
  double log = 0;
  for (int64_t k = j + 1; k <= last; ++k) log += entry(p.g, k * D + d);
  return r * std::exp(log) * w;
}

// What the start state adds to y_t, for S = 1.
template <class R>
double from_state(const ChannelProblem<R>& p, int64_t d, int64_t t) {
  const int64_t D = p.dims.D, last = p.read == Read::kBefore ? t - 1 : t;
  double log = 0;
  for (int64_t k = 0; k <= last; ++k) log += entry(p.g, k * D + d);
  return (p.weights ? entry(p.r, t * D + d) : 1) * std::exp(log);
}

template <class R>
std::vector<R> forward(const ChannelProblem<R>& p, std::vector<R>& S) {
  std::vector<R> y = poisoned<R>(p.dims.T * p.dims.D);  // [T, D]
  channel_forward(p.dims, p.coeffs(), p.v.data(), S.data(), y.data());
  return y;
}

template <class R>
void check_formula(const ChannelProblem<R>& p, const Tolerance& bar) {
  const auto [T, D] = p.dims;
  std::vector<double> y(static_cast<size_t>(T * D), 0.0), product = y, carried(static_cast<size_t>(D), 0.0);
  for (int64_t d = 0; d < D; ++d) {
    for (int64_t t = 0; t < T; ++t) {
      y[static_cast<size_t>(t * D + d)] += from_state(p, d, t) * entry(p.S, d);
      carried[static_cast<size_t>(d)] += from_state(p, d, t) * entry(p.dy, t * D + d);
      for (int64_t j = 0; j <= t; ++j) {
        const double a = alpha(p, d, t, j);
        y[static_cast<size_t>(t * D + d)] += a * entry(p.v, j * D + d);
        product[static_cast<size_t>(j * D + d)] += a * entry(p.dy, t * D + d);
      }
    }
  }
  std::vector<R> S = p.S, out = poisoned<R>(T * D), carry(p.S.size(), R(0));
  EXPECT_TRUE(agree(forward(p, S), y, bar));
  channel_row_times(p.dims, p.coeffs(), p.dy.data(), carry.data(), out.data());
  EXPECT_TRUE(agree(out, product, bar));
  EXPECT_TRUE(agree(carry, carried, bar));
}

template <class R>
void check_maps(const ChannelProblem<R>& p, const Tolerance& bar) {
  const auto [T, D] = p.dims;
  const TileRange ranges[] = {{0, T}, {T / 2, T}, {0, T / 3}, {T / 3, T / 2 + 1}};
  HeadTileFold<R> fold;
  fold.gate = p.v.data(), fold.slope = p.u.data();
  for (const TileRange I : ranges) {
    for (const TileRange J : ranges) {
      for (const HeadMap map : {HeadMap::kOne, HeadMap::kMean, HeadMap::kMeanAbs, HeadMap::kMeanPositive}) {
        std::vector<double> expected;
        for (int64_t t = I.begin; t < I.end; ++t) {
          for (int64_t j = J.begin; j < J.end; ++j) {
            double sum = 0;
            for (int64_t d = 0; d < D; ++d) {
              const double a = alpha(p, d, t, j) * entry(p.v, t * D + d) * entry(p.u, j * D + d);
              if (map == HeadMap::kOne) sum += d == D / 2 ? a : 0;
              if (map == HeadMap::kMean) sum += a / static_cast<double>(D);
              if (map == HeadMap::kMeanAbs) sum += std::abs(a) / static_cast<double>(D);
              if (map == HeadMap::kMeanPositive) sum += std::max(a, 0.0) / static_cast<double>(D);
            }
            expected.push_back(sum);
          }
        }
        std::vector<R> out = poisoned<R>(static_cast<int64_t>(expected.size()));
        channel_tile(p.dims, p.coeffs(), map, D / 2, I, J, fold, out.data());
        EXPECT_TRUE(agree(out, expected, bar)) << "rows " << I.begin << " columns " << J.begin;
      }
    }
  }
  const std::vector<int64_t> edges = {0, T / 3, T / 3, T / 2, T};
  for (const int64_t channel : {int64_t{-1}, D - 1}) {
    std::vector<double> expected(16, 0.0);
    for (size_t i = 0; i < 4; ++i) {
      for (size_t j = 0; j < 4; ++j) {
        for (int64_t t = edges[i]; t < edges[i + 1]; ++t) {
          for (int64_t s = edges[j]; s < edges[j + 1]; ++s) {
            for (int64_t d = 0; d < D; ++d) {
              const double part = channel < 0 ? 1.0 / static_cast<double>(D) : d == channel ? 1.0 : 0.0;
              expected[i * 4 + j] += part * alpha(p, d, t, s);
            }
          }
        }
      }
    }
    std::vector<R> out = poisoned<R>(16);
    channel_block_sums(p.dims, p.coeffs(), channel, edges.data(), 4, out.data());
    EXPECT_TRUE(agree(out, expected, bar));
  }
}

template <class Body>
void for_problems(const Body& body) {
  for (const auto& [T, D] : kSizes) {
    for (const Read read : {Read::kAfter, Read::kBefore}) {
      for (const bool weights : {true, false}) {
        SCOPED_TRACE(::testing::Message()
                     << "T " << T << " D " << D << " before " << (read == Read::kBefore) << " weights " << weights);
        body(random_channels(T, D, read, weights));
      }
    }
  }
}

template <class R>
struct AllGrads {
  std::vector<R> dv, dg, dw, dr, du, dS;
};

template <class R>
AllGrads<R> backward(const ChannelProblem<R>& p) {
  const std::vector<R> zero(p.v.size(), R(0));
  AllGrads<R> a{zero, zero, zero, zero, zero, p.S};
  ChannelGrads<R> g;
  g.dv = a.dv.data(), g.dg = a.dg.data(), g.dS = a.dS.data();
  if (p.weights) g.dw = a.dw.data(), g.dr = a.dr.data(), g.du = a.du.data();
  channel_backward(p.dims, p.coeffs(), p.v.data(), p.S.data(), p.dy.data(), g);
  return a;
}

TEST(Channel, ReferenceEqualsTheFormula) {
  for_problems([](const ChannelProblem<float>& p) {
    check_formula(p.as<double>(), tol::kF64Recurrence.or_empty());
    if (p.dims.T > 0 && p.dims.T < 70) check_maps(p.as<double>(), tol::kF64Recurrence.or_empty());
  });
}

// d(sum y dy + S_T . dS)/d(input) by complex steps, which have no cancellation.
TEST(Channel, GradientsEqualComplexSteps) {
  using Complex = std::complex<double>;
  for (const Read read : {Read::kAfter, Read::kBefore}) {
    const ChannelProblem<double> p = random_channels(9, 3, read, true, 4).as<double>();
    ChannelProblem<Complex> q = p.as<Complex>();
    const AllGrads<double> found = backward(p);
    const auto check = [&](std::vector<Complex> ChannelProblem<Complex>::*input, const std::vector<double>& grad) {
      std::vector<double> expected;
      for (size_t i = 0; i < (q.*input).size(); ++i) {
        (q.*input)[i] += Complex(0, 1e-30);
        std::vector<Complex> S = q.S, y(q.v.size());
        reference::channel_forward(q.dims, q.coeffs(), q.v.data(), S.data(), y.data());
        Complex sum = 0;
        for (size_t k = 0; k < y.size(); ++k) sum += y[k] * q.dy[k];
        for (size_t k = 0; k < S.size(); ++k) sum += S[k] * p.S[k];
        expected.push_back(sum.imag() / 1e-30);
        (q.*input)[i] = (q.*input)[i].real();
      }
      EXPECT_TRUE(agree(grad, expected, tol::kF64Recurrence));
    };
    check(&ChannelProblem<Complex>::v, found.dv), check(&ChannelProblem<Complex>::w, found.dw);
    check(&ChannelProblem<Complex>::r, found.dr), check(&ChannelProblem<Complex>::S, found.dS);
    if (read == Read::kBefore) check(&ChannelProblem<Complex>::u, found.du);
    for (auto& g : q.g) g = g.real() < -1e9 ? Complex(-2) : g;  // a step of -inf is not a number
    ChannelProblem<double> finite = p;
    for (auto& g : finite.g) g = g < -1e9 ? -2 : g;
    check(&ChannelProblem<Complex>::g, backward(finite).dg);
  }
}

TEST_P(ChannelIsa, EqualsTheFormula) {
  for_problems([](const ChannelProblem<float>& p) {
    check_formula(p, tol::kF32Channel.or_empty());
    if (p.dims.T > 0 && p.dims.T < 70) check_maps(p, tol::kF32Channel.times(0.5).or_empty());
  });
}

TEST_P(ChannelIsa, GradientsMatchDouble) {
  for_problems([](const ChannelProblem<float>& p) {
    const AllGrads<float> f = backward(p);
    const AllGrads<double> e = backward(p.as<double>());
    EXPECT_TRUE(agree(f.dv, e.dv, tol::kF32Channel.or_empty()));
    EXPECT_TRUE(agree(f.dg, e.dg, tol::kF32Channel.or_empty()));
    EXPECT_TRUE(agree(f.dw, e.dw, tol::kF32Channel.or_empty()));
    EXPECT_TRUE(agree(f.dr, e.dr, tol::kF32Channel.or_empty()));
    EXPECT_TRUE(agree(f.du, e.du, tol::kF32Channel.or_empty()));
    EXPECT_TRUE(agree(f.dS, e.dS, tol::kF32Channel.or_empty()));
  });
}

TEST_P(ChannelIsa, GradientsMatchDoubleOnHeavyTails) {
  for (const Law law : {Law::kLognormal, Law::kCauchy}) {
    for (const Read read : {Read::kAfter, Read::kBefore}) {
      ChannelProblem<float> p = random_channels(131, 37, read, true);
      for (std::vector<float>* x : {&p.w, &p.r, &p.u, &p.v, &p.S, &p.dy}) *x = tailed(*x, law);
      const auto in_double = [&](const Arrays& in) {
        ChannelProblem<double> near{p.dims, read, true, in[0], in[1], in[2], in[3], in[4], in[5], in[6]};
        const AllGrads<double> g = backward(near);
        return Arrays{forward(near, near.S), g.dv, g.dg, g.dw, g.dr, g.du, g.dS};
      };
      const ChannelProblem<double> e = p.as<double>();
      const Arrays inputs = {e.g, e.w, e.r, e.u, e.v, e.S, e.dy}, want = in_double(inputs),
                   worth = sensitivity(inputs, in_double);
      const AllGrads<float> g = backward(p);
      const std::vector<float> y = forward(p, p.S);
      const std::vector<float>* got[] = {&y, &g.dv, &g.dg, &g.dw, &g.dr, &g.du, &g.dS};
      for (size_t k = 0; k < want.size(); ++k)
        EXPECT_TRUE(agree(*got[k], want[k], worth[k], tol::kF32HeavyOp)) << "output " << k << " " << law_name(law);
    }
  }
}

TEST_P(ChannelIsa, AnySplitGivesTheSameBits) {
  const ChannelProblem<float> p = random_channels(130, 37, Read::kBefore, true);
  const auto [T, D] = p.dims;
  std::vector<float> whole = p.S;
  const std::vector<float> y = forward(p, whole);
  for (const int64_t cut : {1, 64, 129}) {
    std::vector<float> S = p.S, z = poisoned<float>(T * D);
    ChannelCoeffs<float> late = p.coeffs();
    channel_forward({cut, D}, late, p.v.data(), S.data(), z.data());
    for (const float** at : {&late.g, &late.w, &late.r, &late.u}) *at += cut * D;
    channel_forward({T - cut, D}, late, p.v.data() + cut * D, S.data(), z.data() + cut * D);
    EXPECT_EQ(z, y);
    EXPECT_EQ(S, whole);
  }
}

TEST_P(ChannelIsa, NanStaysInItsChannel) {
  ChannelProblem<float> p = random_channels(20, 5, Read::kAfter, false);
  p.g.assign(p.g.size(), -0.1f);
  p.g[7 * 5 + 1] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> y = forward(p, p.S);
  for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isnan(y[i]), i % 5 == 1 && i / 5 >= 7) << i;
}

HS_INSTANTIATE_ISAS(ChannelIsa);

}  // namespace
}  // namespace hindscan::kernels::glr
