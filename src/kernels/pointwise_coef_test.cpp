// Coefficient, norm and rotation kernels: float against double at odd sizes, poisoned outputs, any number of threads;
// the suites named PointwiseFloat run again at every instruction set.
#include "kernels/pointwise_coef.h"

#include "kernels/pointwise_coef_rotate.h"
#include "kernels/pointwise_group_norm.h"
#include "kernels/pointwise_test_support.h"

namespace hindscan::kernels {
namespace {

using Outputs = std::vector<Vec<float>>;

// run<R>(inputs) -> outputs in float and double; float is run under 1 and 2 threads.
template <class F>
void expect_same(const Outputs& inputs, const F& run, double tolerance, const std::string& what) {
  const Outputs got = under_threads([&] { return run(inputs); });
  std::vector<Vec<double>> wide;
  for (const auto& v : inputs) wide.push_back(widen(v));
  const std::vector<Vec<double>> want = run(wide);
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    expect_close(got[i], want[i], tolerance, what + " output " + std::to_string(i));
}

template <class R>
Vec<R> zeros(int64_t n) {
  return Vec<R>(static_cast<size_t>(n), R(0));
}

constexpr CoefMap kMaps[] = {CoefMap::kLogSigmoid,  CoefMap::kSigmoid,      CoefMap::kNegSigmoid, CoefMap::kNegExp,
                             CoefMap::kOneMinusExp, CoefMap::kNegHeavyTail, CoefMap::kExp,        CoefMap::kSoftplus,
                             CoefMap::kTanh,        CoefMap::kIdentity};

TEST(PointwiseFloatCoef, Maps) {
  for (const CoefMap map : kMaps) {
    for (auto [T, C] : {std::pair<int64_t, int64_t>{1, 1}, {3, 17}, {9, 33}, {700, 65}, {0, 5}}) {
      const auto run = [&, T = T, C = C]<class R>(const std::vector<Vec<R>>& in) {
        Vec<R> y = poisoned<R>(T * C), dx = zeros<R>(T * C), db = zeros<R>(C);
        coef_map_forward(map, R(0.7), T, C, in[0].data(), in[1].data(), y.data());
        coef_map_backward(map, R(0.7), T, C, in[0].data(), in[1].data(), in[2].data(), dx.data(), db.data());
        for (R& v : db) v /= static_cast<R>(T + 1);
        return std::vector<Vec<R>>{y, dx, db};
      };
      expect_same({random_floats(T * C, 1, 2), random_floats(C, 2), random_floats(T * C, 3)}, run, 1e-6,
                  "map " + std::to_string(static_cast<int>(map)));
    }
  }
}

TEST(PointwiseFloatCoef, MapsKeepTheirPrecisionFarOut) {
  Vec<float> x = {-1e-6f, -1e-3f, -0.2f, -0.36f, -3, -30, -100}, y = poisoned<float>(7), slope(7, 0.0f);
  const Vec<float> ones(7, 1.0f);
  for (const CoefMap map : {CoefMap::kOneMinusExp, CoefMap::kSqrtOneMinusExp2}) {
    coef_map_forward(map, 1.0f, 1, 7, x.data(), nullptr, y.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double u = -std::expm1((map == CoefMap::kOneMinusExp ? 1.0 : 2.0) * double{x[i]});
      const double want = map == CoefMap::kOneMinusExp ? u : std::sqrt(u);
      EXPECT_NEAR(y[i], want, 3e-7 * want) << x[i];  // relative
    }
  }
  const Vec<float> zero = {0, -1e-9f};  // the slope of the root stops at 1000
  coef_map_backward(CoefMap::kSqrtOneMinusExp2, 1.0f, 1, 2, zero.data(), nullptr, ones.data(), slope.data(), nullptr);
  EXPECT_FLOAT_EQ(slope[0], -2000.0f);
  EXPECT_FLOAT_EQ(slope[1], -2000.0f);
  const Vec<float> tail = {-1e6f, 1e6f, 0};
  coef_map_forward(CoefMap::kNegHeavyTail, 1.0f, 1, 3, tail.data(), nullptr, y.data());
  EXPECT_EQ(y[0], -1e-4f);
  EXPECT_EQ(y[1], -1000001.0f);
  EXPECT_EQ(y[2], -1.0f);
}

TEST(PointwiseFloatCoef, MapsKeepNan) {
  const Vec<float> x(19, std::numeric_limits<float>::quiet_NaN());
  for (const CoefMap map : kMaps) {
    Vec<float> y(19, 0.0f);
    coef_map_forward(map, 1.0f, 1, 19, x.data(), nullptr, y.data());
    for (float v : y) EXPECT_TRUE(std::isnan(v)) << static_cast<int>(map);
  }
}

TEST(PointwiseFloatCoef, BoundedDecay) {
  const int64_t T = 300, C = 37;
  Vec<float> beta = random_floats(C, 1);
  for (float& b : beta) b = -std::abs(b);
  beta[5] = -std::numeric_limits<float>::infinity();
  const auto run = [&]<class R>(const std::vector<Vec<R>>& in) {
    Vec<R> y = poisoned<R>(T * C), dx = zeros<R>(T * C), db = zeros<R>(C);
    bounded_decay_forward(T, C, in[0].data(), in[1].data(), y.data());
    bounded_decay_backward(T, C, in[0].data(), in[1].data(), in[2].data(), dx.data(), db.data());
    for (R& v : db) v /= R(T);
    return std::vector<Vec<R>>{y, dx, db};
  };
  expect_same({beta, random_floats(T * C, 2, 3), random_floats(T * C, 3)}, run, 1e-6, "bounded decay");
  Vec<double> y(1), b = {std::log(0.3)}, x = {-0.8};
  bounded_decay_forward(1, 1, b.data(), x.data(), y.data());
  EXPECT_NEAR(y[0], std::log(0.3 + 0.7 / (1 + std::exp(0.8))), 1e-15);
}

TEST(PointwiseFloatCoef, FactorsPerHead) {
  for (auto [T, H, d] : {std::tuple<int64_t, int64_t, int64_t>{5, 3, 7}, {90, 8, 64}, {1, 1, 1}, {600, 70, 1}}) {
    const int64_t C = H * d;
    const auto run = [&, T = T, H = H, d = d]<class R>(const std::vector<Vec<R>>& in) {
      const R *a = in[0].data(), *b = in[1].data(), *c = in[2].data(), *dy = in[3].data(), *w = in[4].data(),
              *dh = in[5].data();
      Vec<R> y = poisoned<R>(T * C), z = poisoned<R>(T * C), s = poisoned<R>(T * H);
      Vec<R> dx = zeros<R>(T * C), dc = zeros<R>(T * H), da = dx, db = dx, dl = dc, ha = dx, hb = dx, dw = zeros<R>(C);
      head_scale_forward(T, H, d, c, a, y.data());
      head_scale_backward(T, H, d, c, a, dy, dc.data(), dx.data());
      lerp_forward(T, H, d, a, b, c, z.data());
      lerp_backward(T, H, d, a, b, c, dy, da.data(), db.data(), dl.data());
      head_dot_forward(T, H, d, a, b, w, s.data());
      head_dot_backward(T, H, d, a, b, w, dh, ha.data(), hb.data(), dw.data());
      return std::vector<Vec<R>>{y, z, s, dx, dc, da, db, dl, ha, hb, dw};
    };
    expect_same({random_floats(T * C, 1), random_floats(T * C, 2), random_floats(T * H, 3), random_floats(T * C, 4),
                 random_floats(C, 5), random_floats(T * H, 6)},
                run, 2e-5, "heads");
  }
}

TEST(PointwiseFloatCoef, TokenMix) {
  const int64_t T = 515, C = 67;
  for (const bool of_x : {false, true}) {
    const auto run = [&]<class R>(const std::vector<Vec<R>>& in) {
      Vec<R> y = poisoned<R>(T * C), dx = zeros<R>(T * C), dp = dx, dd = dx, dmu = zeros<R>(C);
      mix_forward(T, C, in[0].data(), in[1].data(), in[2].data(), in[3].data(), of_x, y.data());
      mix_backward(T, C, in[0].data(), in[1].data(), in[2].data(), in[3].data(), of_x, in[4].data(), dx.data(),
                   dp.data(), dd.data(), dmu.data());
      for (R& v : dmu) v /= R(T);
      return std::vector<Vec<R>>{y, dx, dp, dd, dmu};
    };
    expect_same({random_floats(T * C, 1), random_floats(T * C, 2), random_floats(C, 3), random_floats(T * C, 4),
                 random_floats(T * C, 5)},
                run, 2e-6, "mix");
  }
}

TEST(PointwiseFloatNorm, EveryKind) {
  for (const NormKind kind : {NormKind::kRms, NormKind::kLayer, NormKind::kL2Inside, NormKind::kL2Max}) {
    for (auto [T, C, G] :
         {std::tuple<int64_t, int64_t, int64_t>{4, 7, 1}, {3, 66, 6}, {300, 192, 3}, {2, 5, 5}, {0, 8, 2}}) {
      for (const bool shared : {false, true}) {
        for (const bool frozen : {false, true}) {
          const GroupNormShape s{kind, T, C, G, shared, shared ? C / G : C};
          const auto run = [&, T = T, C = C, G = G]<class R>(const std::vector<Vec<R>>& in) {
            Vec<R> y = poisoned<R>(T * C), mean = poisoned<R>(T * G), scale = poisoned<R>(T * G);
            Vec<R> dx = zeros<R>(T * C), dw = zeros<R>(s.w_size), db = dw;
            group_norm_forward(s, 1e-3, in[0].data(), in[1].data(), in[2].data(), y.data(), mean.data(), scale.data());
            group_norm_backward(s, 1e-3, in[0].data(), in[1].data(), mean.data(), scale.data(), in[3].data(), frozen,
                                dx.data(), dw.data(), db.data());
            for (R& v : dw) v /= static_cast<R>(T + 1);
            for (R& v : db) v /= static_cast<R>(T + 1);
            return std::vector<Vec<R>>{y, scale, dx, dw, db};
          };
          const double bar =
              C == G && kind == NormKind::kLayer ? 1e-3 : 1e-5;  // one channel a group: 1/sqrt(eps) of nothing
          expect_same({random_floats(T * C, 1), random_floats(s.w_size, 2), random_floats(s.w_size, 3),
                       random_floats(T * C, 4)},
                      run, bar, "norm " + std::to_string(static_cast<int>(kind)));
        }
      }
    }
  }
}

TEST(PointwiseFloatRotate, SineAndCosine) {
  const int64_t n = 20011;
  Vec<float> angle(static_cast<size_t>(n)), s = poisoned<float>(n), c = poisoned<float>(n);
  for (int64_t i = 0; i < n; ++i) angle[static_cast<size_t>(i)] = static_cast<float>(i - n / 2) * 0.0101f;
  sin_cos(n, angle.data(), s.data(), c.data());
  for (size_t i = 0; i < angle.size(); ++i) {
    ASSERT_NEAR(s[i], std::sin(double{angle[i]}), 2e-7) << angle[i];
    ASSERT_NEAR(c[i], std::cos(double{angle[i]}), 2e-7) << angle[i];
  }
  const float nan = std::numeric_limits<float>::quiet_NaN();
  sin_cos(1, &nan, s.data(), c.data());
  EXPECT_TRUE(std::isnan(s[0]) && std::isnan(c[0]));
}

TEST(PointwiseFloatRotate, PairsOfHeads) {
  for (const int64_t distance : {int64_t{0}, int64_t{5}}) {
    for (const int64_t tables : {int64_t{1}, int64_t{3}}) {
      const RotateShape s{150, 3, 11, 4, distance, tables};
      const auto run = [&]<class R>(const std::vector<Vec<R>>& in) {
        const int64_t n = s.T * s.heads * s.d, m = s.T * tables * s.pairs;
        Vec<R> sine = poisoned<R>(m), cosine = poisoned<R>(m), y = poisoned<R>(n), dx = zeros<R>(n),
               dtheta = zeros<R>(m);
        sin_cos(m, in[1].data(), sine.data(), cosine.data());
        rotate_forward(s, cosine.data(), sine.data(), in[0].data(), y.data());
        rotate_backward(s, cosine.data(), sine.data(), y.data(), in[2].data(), dx.data(), dtheta.data());
        return std::vector<Vec<R>>{y, dx, dtheta};
      };
      const int64_t n = s.T * s.heads * s.d;
      expect_same({random_floats(n, 1), random_floats(s.T * tables * s.pairs, 2), random_floats(n, 3)}, run, 3e-6,
                  "rotate");
    }
  }
}

}  // namespace
}  // namespace hindscan::kernels
