// Kernels that are one template for float and double, by their definition and by central differences: comparing their
// two types with each other would see neither a wrong sign nor a wrong row.
#include <algorithm>

#include "base/testing/compare.h"
#include "kernels/differences_test_support.h"
#include "kernels/pointwise.h"
#include "kernels/pointwise_coef.h"
#include "kernels/pointwise_coef_rotate.h"
#include "kernels/pointwise_group_norm.h"
#include "kernels/pointwise_test_support.h"

namespace hindscan::kernels {
namespace {

Vec<double> numbers(int64_t n, unsigned seed, float scale = 1) { return widen(random_floats(n, seed, scale)); }
Vec<double> none(int64_t n) { return Vec<double>(static_cast<size_t>(n), 0.0); }

TEST(PointwiseDefinition, FactorsAndDotProductsPerHead) {
  for (const int64_t d : {1, 3}) {
    const int64_t T = 2, H = 3, C = H * d, n = T * C;
    Vec<double> a = numbers(n, 1), b = numbers(n, 2), c = numbers(T * H, 3), w = numbers(C, 4);
    const Vec<double> r = numbers(n, 5), rh = numbers(T * H, 6);
    Vec<double> scaled = poisoned<double>(n), mixed = scaled, sums = poisoned<double>(T * H);
    Vec<double> want_scaled, want_mixed, want_sums = none(T * H);
    for (int64_t i = 0; i < n; ++i) {
      const size_t at = static_cast<size_t>(i), h = static_cast<size_t>(i / d);
      want_scaled.push_back(c[h] * a[at]), want_mixed.push_back((1 - c[h]) * a[at] + c[h] * b[at]);
      want_sums[h] += a[at] * b[at] * w[static_cast<size_t>(i % C)];
    }
    const auto scale_loss = [&] {
      return head_scale_forward(T, H, d, c.data(), a.data(), scaled.data()), dot(scaled, r);
    };
    const auto lerp_loss = [&] {
      return lerp_forward(T, H, d, a.data(), b.data(), c.data(), mixed.data()), dot(mixed, r);
    };
    const auto dot_loss = [&] {
      return head_dot_forward(T, H, d, a.data(), b.data(), w.data(), sums.data()), dot(sums, rh);
    };
    scale_loss(), lerp_loss(), dot_loss();
    EXPECT_TRUE(agree(scaled, want_scaled, tol::kF64Op));
    EXPECT_TRUE(agree(mixed, want_mixed, tol::kF64Op));
    EXPECT_TRUE(agree(sums, want_sums, tol::kF64Op));
    Vec<double> da = none(n), db = da, dc = none(T * H), dw = none(C);
    head_scale_backward(T, H, d, c.data(), a.data(), r.data(), dc.data(), da.data());
    EXPECT_TRUE(agree(da, differences(a, scale_loss), tol::kFiniteDifference));
    EXPECT_TRUE(agree(dc, differences(c, scale_loss), tol::kFiniteDifference));
    da = db = none(n), dc = none(T * H);
    lerp_backward(T, H, d, a.data(), b.data(), c.data(), r.data(), da.data(), db.data(), dc.data());
    EXPECT_TRUE(agree(da, differences(a, lerp_loss), tol::kFiniteDifference));
    EXPECT_TRUE(agree(db, differences(b, lerp_loss), tol::kFiniteDifference));
    EXPECT_TRUE(agree(dc, differences(c, lerp_loss), tol::kFiniteDifference));
    da = db = none(n);
    head_dot_backward(T, H, d, a.data(), b.data(), w.data(), rh.data(), da.data(), db.data(), dw.data());
    EXPECT_TRUE(agree(da, differences(a, dot_loss), tol::kFiniteDifference));
    EXPECT_TRUE(agree(db, differences(b, dot_loss), tol::kFiniteDifference));
    EXPECT_TRUE(agree(dw, differences(w, dot_loss), tol::kFiniteDifference));
  }
}

TEST(PointwiseDefinition, TokenMix) {
  const int64_t T = 3, C = 2, n = T * C;
  for (const bool of_x : {false, true}) {
    Vec<double> x = numbers(n, 1), before = numbers(n, 2), mu = numbers(C, 3), delta = numbers(n, 4);
    const Vec<double> r = numbers(n, 5);
    Vec<double> y = poisoned<double>(n), want;
    for (size_t i = 0; i < x.size(); ++i) {
      const double m = mu[i % 2] + delta[i], share = of_x ? 1 - m : m;
      want.push_back((1 - share) * x[i] + share * before[i]);
    }
    const auto loss = [&] {
      return mix_forward(T, C, x.data(), before.data(), mu.data(), delta.data(), of_x, y.data()), dot(y, r);
    };
    loss();
    EXPECT_TRUE(agree(y, want, tol::kF64Op));
    Vec<double> dx = none(n), dbefore = dx, ddelta = dx, dmu = none(C);
    mix_backward(T, C, x.data(), before.data(), mu.data(), delta.data(), of_x, r.data(), dx.data(), dbefore.data(),
                 ddelta.data(), dmu.data());
    EXPECT_TRUE(agree(dx, differences(x, loss), tol::kFiniteDifference));
    EXPECT_TRUE(agree(dbefore, differences(before, loss), tol::kFiniteDifference));
    EXPECT_TRUE(agree(ddelta, differences(delta, loss), tol::kFiniteDifference));
    EXPECT_TRUE(agree(dmu, differences(mu, loss), tol::kFiniteDifference));
  }
}

TEST(PointwiseDefinition, Rotation) {
  for (const int64_t distance : {0, 5}) {
    for (const int64_t tables : {1, 3}) {
      const RotateShape s{2, 3, 11, 4, distance, tables};
      const int64_t n = s.T * s.heads * s.d, m = s.T * tables * s.pairs;
      Vec<double> x = numbers(n, 1), theta = numbers(m, 2), sine = none(m), cosine = none(m), y = poisoned<double>(n);
      const Vec<double> r = numbers(n, 3);
      const auto loss = [&] {
        sin_cos(m, theta.data(), sine.data(), cosine.data());
        rotate_forward(s, cosine.data(), sine.data(), x.data(), y.data());
        return dot(y, r);
      };
      loss();
      Vec<double> want = x;
      for (int64_t head = 0; head < s.T * s.heads; ++head) {
        for (int64_t i = 0; i < s.pairs; ++i) {
          const size_t first = static_cast<size_t>(head * s.d + (distance == 0 ? 2 * i : i)),
                       second = first + static_cast<size_t>(distance == 0 ? 1 : distance);
          const int64_t table = tables == 1 ? head / s.heads : head;
          const double angle = theta[static_cast<size_t>(table * s.pairs + i)];
          want[first] = x[first] * std::cos(angle) - x[second] * std::sin(angle);
          want[second] = x[first] * std::sin(angle) + x[second] * std::cos(angle);
        }
      }
      EXPECT_TRUE(agree(y, want, tol::kF64Op));
      Vec<double> dx = none(n), dtheta = none(m);
      rotate_backward(s, cosine.data(), sine.data(), y.data(), r.data(), dx.data(), dtheta.data());
      EXPECT_TRUE(agree(dx, differences(x, loss), tol::kFiniteDifference));
      EXPECT_TRUE(agree(dtheta, differences(theta, loss), tol::kFiniteDifference));
    }
  }
}

TEST(PointwiseDefinition, SlopeOfTheSquareRootOfOneMinusExp) {
  Vec<double> x = {-0.3, -1, -2.5}, y = none(3), dx = none(3);
  const Vec<double> r = {1, -2, 0.5};
  const CoefMap map = CoefMap::kSqrtOneMinusExp2;
  const auto loss = [&] { return coef_map_forward(map, 1.5, 1, 3, x.data(), nullptr, y.data()), dot(y, r); };
  coef_map_backward(map, 1.5, 1, 3, x.data(), nullptr, r.data(), dx.data(), nullptr);
  EXPECT_TRUE(agree(dx, differences(x, loss), tol::kFiniteDifference));
}

// scale 1e-3: the norm of kL2Max lies below eps and is a constant.
TEST(PointwiseDefinition, GroupNorms) {
  for (const NormKind kind : {NormKind::kRms, NormKind::kLayer, NormKind::kL2Inside, NormKind::kL2Max}) {
    for (const float size : {1.0f, 1e-3f}) {
      const GroupNormShape s{kind, 2, 6, 2, false, 6};
      const int64_t n = s.T * s.C;
      const double eps = 0.3;
      Vec<double> x = numbers(n, 1, size), w = numbers(6, 2), b = numbers(6, 3), y = poisoned<double>(n),
                  mean = none(4), scale = none(4), want;
      const Vec<double> r = numbers(n, 4);
      const auto loss = [&] {
        group_norm_forward(s, eps, x.data(), w.data(), b.data(), y.data(), mean.data(), scale.data());
        return dot(y, r);
      };
      for (size_t i = 0; i < x.size(); ++i) {
        const double* g = x.data() + i / 3 * 3;
        const double centre = kind == NormKind::kLayer ? (g[0] + g[1] + g[2]) / 3 : 0;
        double squares = 0;
        for (int k = 0; k < 3; ++k) squares += (g[k] - centre) * (g[k] - centre);
        const double divisor = kind == NormKind::kL2Max      ? std::max(std::sqrt(squares), eps)
                               : kind == NormKind::kL2Inside ? std::sqrt(squares + eps)
                                                             : std::sqrt(squares / 3 + eps);
        want.push_back((x[i] - centre) / divisor * w[i % 6] + b[i % 6]);
      }
      loss();
      EXPECT_TRUE(agree(y, want, tol::kF64Op)) << static_cast<int>(kind);
      Vec<double> dx = none(n), dw = none(6), db = none(6);
      group_norm_backward(s, eps, x.data(), w.data(), mean.data(), scale.data(), r.data(), false, dx.data(), dw.data(),
                          db.data());
      EXPECT_TRUE(agree(dx, differences(x, loss), tol::kFiniteDifference)) << static_cast<int>(kind);
      EXPECT_TRUE(agree(dw, differences(w, loss), tol::kFiniteDifference)) << static_cast<int>(kind);
      EXPECT_TRUE(agree(db, differences(b, loss), tol::kFiniteDifference)) << static_cast<int>(kind);
    }
  }
}

// 50 numbers: two vectors, one vector and a tail at every vector length.
TEST(PointwiseFloatDefinition, NormsAndLossesOfFiftyNumbers) {
  for (const NormKind kind : {NormKind::kRms, NormKind::kLayer, NormKind::kL2Inside, NormKind::kL2Max}) {
    for (const float size : {1.0f, 1e-3f}) {
      const GroupNormShape s{kind, 2, 50, 1, false, 50};
      const Vec<float> x = random_floats(100, 1, size), w = random_floats(50, 2), b = random_floats(50, 3);
      const Vec<double> x64 = widen(x), w64 = widen(w), b64 = widen(b);
      Vec<float> y = poisoned<float>(100), mean(2, 0.0f), scale = poisoned<float>(2);
      Vec<double> want = poisoned<double>(100), mean64(2, 0.0), scale64 = poisoned<double>(2);
      group_norm_forward(s, 0.05, x.data(), w.data(), b.data(), y.data(), mean.data(), scale.data());
      group_norm_forward(s, 0.05, x64.data(), w64.data(), b64.data(), want.data(), mean64.data(), scale64.data());
      EXPECT_TRUE(agree(y, want, tol::kF32Pointwise)) << static_cast<int>(kind);
      EXPECT_TRUE(agree(scale, scale64, tol::kF32Pointwise)) << static_cast<int>(kind);
    }
  }
  for (const float top : {0.0f, 200.0f}) {
    Vec<float> logits = random_floats(50, 5), loss(1, 0.0f), back = poisoned<float>(50);
    logits.back() += top;
    const Vec<double> logits64 = widen(logits);
    Vec<double> want(1, 0.0), back64 = poisoned<double>(50);
    const int32_t target = 7;
    cross_entropy(1, 50, logits.data(), &target, nullptr, loss.data(), back.data());
    cross_entropy(1, 50, logits64.data(), &target, nullptr, want.data(), back64.data());
    EXPECT_TRUE(agree(loss, want, tol::kF32Pointwise)) << top;
    EXPECT_TRUE(agree(back, back64, tol::kF32Pointwise)) << top;
  }
}

TEST(PointwiseFloatDefinition, OneBadValueAtTheEndOfNineteen) {
  Vec<float> v(19, 1.0f);
  EXPECT_TRUE(all_finite(19, v.data()));
  v.back() = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(all_finite(19, v.data()));
}

TEST(PointwiseDefinition, NegExp) {
  const Vec<double> x = {0, -1.5, 2};
  Vec<double> y = poisoned<double>(3);
  neg_exp(3, x.data(), y.data());
  EXPECT_TRUE(agree(y, Vec<double>{-1, -std::exp(-1.5), -std::exp(2.0)}, tol::kEqual));
}

}  // namespace
}  // namespace hindscan::kernels
