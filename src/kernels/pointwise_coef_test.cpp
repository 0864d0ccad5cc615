// Coefficient, norm and rotation kernels: float against double at odd sizes, poisoned outputs, any number of threads;
// the suites named PointwiseFloat run again at every instruction set.
#include "kernels/pointwise_coef.h"

#include "kernels/pointwise_coef_rotate.h"
#include "kernels/pointwise_group_norm.h"
#include "kernels/pointwise_test_support.h"

namespace hindscan::kernels {
namespace {

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
        Vec<R> y = poisoned<R>(T * C), dx = zeros<R>(T * C), db = zeros<R>(C), x = in[0], b = in[1];
        for (Vec<R>* v : {&x, &b}) {
          for (R& value : *v) value = std::min(value, R(20));  // exp of more is infinite in float
        }
        coef_map_forward(map, R(0.7), T, C, x.data(), b.data(), y.data());
        coef_map_backward(map, R(0.7), T, C, x.data(), b.data(), in[2].data(), dx.data(), db.data());
        for (R& v : db) v /= static_cast<R>(T + 1);
        return std::vector<Vec<R>>{y, dx, db};
      };
      expect_float_follows({random_floats(T * C, 1, 2), random_floats(C, 2), random_floats(T * C, 3)},
                           tol::kF32Pointwise, "map " + std::to_string(static_cast<int>(map)), run);
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
      EXPECT_TRUE(agree(y[i], want, tol::kF32Relative)) << x[i];
    }
  }
  const Vec<float> zero = {0, -1e-9f};  // the slope of the root stops at 1000
  coef_map_backward(CoefMap::kSqrtOneMinusExp2, 1.0f, 1, 2, zero.data(), nullptr, ones.data(), slope.data(), nullptr);
  EXPECT_TRUE(agree(slope[0], -2000.0f, tol::kF32Ulp));
  EXPECT_TRUE(agree(slope[1], -2000.0f, tol::kF32Ulp));
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
  expect_float_follows({beta, random_floats(T * C, 2, 3), random_floats(T * C, 3)}, tol::kF32Pointwise, "bounded decay",
                       run);
  Vec<double> y(1), b = {std::log(0.3)}, x = {-0.8};
  bounded_decay_forward(1, 1, b.data(), x.data(), y.data());
  EXPECT_TRUE(agree(y[0], std::log(0.3 + 0.7 / (1 + std::exp(0.8))), tol::kF64Pointwise));
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
    expect_float_follows({random_floats(T * C, 1), random_floats(T * C, 2), random_floats(T * H, 3),
                          random_floats(T * C, 4), random_floats(C, 5), random_floats(T * H, 6)},
                         tol::kF32RowSums, "heads", run);
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
    expect_float_follows({random_floats(T * C, 1), random_floats(T * C, 2), random_floats(C, 3),
                          random_floats(T * C, 4), random_floats(T * C, 5)},
                         tol::kF32Activation, "mix", run);
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
          // What dx is left of: the largest scale w dy of the group, through the means that are taken away.
          const auto terms = [&](const Arrays& in, const Arrays& out) {
            Vec<double> dx(out[2].size(), 0.0), largest_of(out[1].size(), 0.0);
            for (int pass = 0; pass < 2; ++pass) {
              for (size_t i = 0; i < dx.size(); ++i) {
                const auto at = static_cast<int64_t>(i);
                const double w = std::abs(in[1][static_cast<size_t>(at % s.C % s.w_size)]) + s.one_plus;
                double& group = largest_of[i / static_cast<size_t>(s.n())];
                const double term = out[1][i / static_cast<size_t>(s.n())] * w * std::abs(in[3][i]);
                if (term > group) group = term;
                dx[i] = group;
              }
            }
            return Arrays{{}, {}, dx, {}, {}};
          };
          expect_float_follows({random_floats(T * C, 1), random_floats(s.w_size, 2), random_floats(s.w_size, 3),
                                random_floats(T * C, 4)},
                               tol::kF32Pointwise, "norm " + std::to_string(static_cast<int>(kind)), run, terms);
        }
      }
    }
  }
}

TEST(PointwiseFloatRotate, SineAndCosine) {
  const int64_t n = 20011;
  Vec<float> angle(static_cast<size_t>(n)), s = poisoned<float>(n), c = poisoned<float>(n);
  for (int64_t i = 0; i < n; ++i) angle[static_cast<size_t>(i)] = static_cast<float>(i - 10005) * 0.0101f;
  sin_cos(n, angle.data(), s.data(), c.data());
  Vec<double> sines, cosines;
  for (const float a : angle) sines.push_back(std::sin(double{a})), cosines.push_back(std::cos(double{a}));
  EXPECT_TRUE(agree(s, sines, tol::kF32Sine));
  EXPECT_TRUE(agree(c, cosines, tol::kF32Sine));
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
      expect_float_follows({random_floats(n, 1), random_floats(s.T * tables * s.pairs, 2), random_floats(n, 3)},
                           tol::kF32Activation, "rotate", run);
    }
  }
}

}  // namespace
}  // namespace hindscan::kernels
