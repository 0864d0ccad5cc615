// Analytic gradients of the double reference against central differences: within tol::kFiniteDifference.
#include "kernels/pointwise.h"
#include "kernels/pointwise_test_support.h"

namespace hindscan::kernels {
namespace {

Vec<double> random_doubles(int64_t n, unsigned seed) { return widen(random_floats(n, seed)); }

double dot(const Vec<double>& a, const Vec<double>& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// loss() reads `at`; its gradient by fourth-order central differences must equal `grad`.
template <class Loss>
void expect_gradient(Vec<double>& at, const Vec<double>& grad, const Loss& loss, const std::string& what) {
  constexpr double h = 1e-3;
  Vec<double> numeric;
  for (double& x : at) {
    const double kept = x;
    const auto shifted = [&](double step) {
      x = kept + step;
      return loss();
    };
    numeric.push_back((8.0 * (shifted(h) - shifted(-h)) - (shifted(2 * h) - shifted(-2 * h))) / (12.0 * h));
    x = kept;
  }
  EXPECT_TRUE(agree(grad, numeric, tol::kFiniteDifference.or_empty())) << what;
}

TEST(PointwiseGradient, RmsNorm) {
  const int64_t T = 3, C = 7;
  Vec<double> x = random_doubles(T * C, 1), w = random_doubles(C, 2), r = random_doubles(T * C, 3);
  Vec<double> y = poisoned<double>(T * C), rstd = poisoned<double>(T);
  const auto loss = [&] {
    rmsnorm_forward(T, C, x.data(), w.data(), 1e-5, y.data(), rstd.data());
    return dot(y, r);
  };
  loss();
  Vec<double> dx(x.size(), 0.0), dw(w.size(), 0.0), frozen(x.size(), 0.0);
  rmsnorm_backward(T, C, x.data(), w.data(), rstd.data(), r.data(), false, dx.data(), dw.data());
  rmsnorm_backward(T, C, x.data(), w.data(), rstd.data(), r.data(), true, frozen.data(), nullptr);
  expect_gradient(x, dx, loss, "dx");
  expect_gradient(w, dw, loss, "dw");
  const Vec<double> scale = rstd;
  const auto frozen_loss = [&] {
    double sum = 0.0;
    for (size_t i = 0; i < x.size(); ++i) sum += x[i] * scale[i / C] * w[i % C] * r[i];
    return sum;
  };
  expect_gradient(x, frozen, frozen_loss, "dx with frozen scale");
}

TEST(PointwiseGradient, Activations) {
  const int64_t n = 33;
  for (const Act act : {Act::kSilu, Act::kSoftplus, Act::kSigmoid, Act::kGelu, Act::kRelu2, Act::kTanh, Act::kIdentity,
                        Act::kRelu, Act::kGeluTanh}) {
    Vec<double> x = random_doubles(n, 1), r = random_doubles(n, 2), y = poisoned<double>(n), dx(x.size(), 0.0);
    for (double& v : x) v += v < 0 ? -0.1 : 0.1;  // the kink of relu^2 lies outside every difference
    const auto loss = [&] {
      act_forward(act, n, x.data(), y.data());
      return dot(y, r);
    };
    act_backward(act, ActRule::kExact, n, x.data(), r.data(), dx.data());
    expect_gradient(x, dx, loss, "act " + std::to_string(static_cast<int>(act)));
    // The identity rule: y = slope * x, slope held.
    Vec<double> slope = poisoned<double>(n), frozen(x.size(), 0.0);
    act_slope(act, n, x.data(), slope.data());
    act_backward(act, ActRule::kFrozenSlope, n, x.data(), r.data(), frozen.data());
    loss();
    Vec<double> products, seeds;
    for (size_t i = 0; i < x.size(); ++i) products.push_back(slope[i] * x[i]), seeds.push_back(slope[i] * r[i]);
    EXPECT_TRUE(agree(products, y, tol::kF64Pointwise));
    EXPECT_TRUE(agree(frozen, seeds, tol::kF64Pointwise));
  }
}

TEST(PointwiseGradient, BiasActivation) {
  const int64_t T = 5, C = 3;
  Vec<double> x = random_doubles(T * C, 1), b = random_doubles(C, 2), r = random_doubles(T * C, 3);
  Vec<double> y = poisoned<double>(T * C), dx(x.size(), 0.0), db(b.size(), 0.0);
  const auto loss = [&] {
    bias_act_forward(Act::kSoftplus, T, C, x.data(), b.data(), y.data());
    return dot(y, r);
  };
  bias_act_backward(Act::kSoftplus, T, C, x.data(), b.data(), r.data(), dx.data(), db.data());
  expect_gradient(x, dx, loss, "dx");
  expect_gradient(b, db, loss, "db");
}

TEST(PointwiseGradient, GateBiasAndSkip) {
  const int64_t T = 4, C = 5, n = T * C;
  Vec<double> a = random_doubles(n, 1), b = random_doubles(n, 2), d = random_doubles(C, 3), r = random_doubles(n, 4);
  Vec<double> y = poisoned<double>(n), da(a.size(), 0.0), db(b.size(), 0.0), dd(d.size(), 0.0), sums(d.size(), 0.0);
  const auto gate_loss = [&] {
    gate_forward(n, a.data(), b.data(), y.data());
    return dot(y, r);
  };
  gate_backward(n, a.data(), b.data(), r.data(), 1.0, 1.0, da.data(), db.data());
  expect_gradient(a, da, gate_loss, "da");
  expect_gradient(b, db, gate_loss, "db");
  const auto skip_loss = [&] {
    skip_forward(T, C, b.data(), d.data(), a.data(), y.data());
    return dot(y, r);
  };
  da.assign(a.size(), 0.0);
  skip_backward(T, C, d.data(), a.data(), r.data(), da.data(), dd.data());
  expect_gradient(a, da, skip_loss, "skip dx");
  expect_gradient(d, dd, skip_loss, "skip dd");
  expect_gradient(b, r, skip_loss, "skip base");
  const auto bias_loss = [&] {
    y = a;
    add_bias(T, C, d.data(), y.data());
    return dot(y, r);
  };
  sum_rows(T, C, r.data(), sums.data());
  expect_gradient(d, sums, bias_loss, "bias");
}

TEST(PointwiseGradient, ConvolutionWithCarriedPast) {
  const int64_t C = 3;
  for (const int64_t T : {0, 1, 2, 3, 7}) {
    for (const int64_t K : {1, 2, 4}) {
      const int64_t p = (K - 1) * C;
      Vec<double> w = random_doubles(C * K, 1), b = random_doubles(C, 2), x = random_doubles(T * C, 3);
      Vec<double> past = random_doubles(p, 4), r = random_doubles(T * C, 5), r_past = random_doubles(p, 6);
      Vec<double> y = poisoned<double>(T * C);
      const auto loss = [&] {  // of the outputs and of the past left behind
        Vec<double> moved = past;
        conv1d_forward(T, C, K, w.data(), b.data(), x.data(), moved.data(), y.data());
        return dot(y, r) + dot(moved, r_past);
      };
      Vec<double> dpast = r_past, dx(x.size(), 0.0), dw(w.size(), 0.0), db(b.size(), 0.0);
      conv1d_backward(T, C, K, w.data(), x.data(), past.data(), r.data(), dpast.data(), dx.data(), dw.data(),
                      db.data());
      const std::string what = "T=" + std::to_string(T) + " K=" + std::to_string(K);
      expect_gradient(x, dx, loss, what + " dx");
      expect_gradient(w, dw, loss, what + " dw");
      expect_gradient(b, db, loss, what + " db");
      expect_gradient(past, dpast, loss, what + " dpast");
    }
  }
}

TEST(PointwiseGradient, ConvolutionInPiecesIsTheWhole) {
  const int64_t T = 9, C = 33, K = 4;
  const Vec<float> w = random_floats(C * K, 1), b = random_floats(C, 2), x = random_floats(T * C, 3);
  const Vec<float> past0 = random_floats((K - 1) * C, 4);
  Vec<float> whole = poisoned<float>(T * C), past = past0;
  conv1d_forward(T, C, K, w.data(), b.data(), x.data(), past.data(), whole.data());
  Vec<float> pieces = poisoned<float>(T * C), carried = past0;
  int64_t t = 0;
  for (const int64_t length : {1, 0, 2, 5, 1}) {
    conv1d_forward(length, C, K, w.data(), b.data(), x.data() + t * C, carried.data(), pieces.data() + t * C);
    t += length;
  }
  EXPECT_TRUE(same_bits(whole, pieces));
  EXPECT_TRUE(same_bits(past, carried));
}

TEST(PointwiseGradient, CrossEntropyAndEmbedding) {
  const int64_t T = 3, V = 7;
  Vec<double> logits = random_doubles(T * V, 1), weight = {1.0, 0.0, 2.5}, losses = poisoned<double>(T);
  const Vec<int32_t> targets = {0, 6, 3};
  const auto loss = [&] {
    cross_entropy(T, V, logits.data(), targets.data(), weight.data(), losses.data(), static_cast<double*>(nullptr));
    return dot(losses, weight);
  };
  Vec<double> dlogits = poisoned<double>(T * V);
  cross_entropy(T, V, logits.data(), targets.data(), weight.data(), losses.data(), dlogits.data());
  expect_gradient(logits, dlogits, loss, "dlogits");

  const Vec<int32_t> ids = {2, 0, 2};
  Vec<double> table = random_doubles(3 * V, 2), rows = poisoned<double>(T * V), dtable(table.size(), 0.0);
  const Vec<double> r = random_doubles(T * V, 3);
  const auto row_loss = [&] {
    embedding_forward(T, V, ids.data(), table.data(), rows.data());
    return dot(rows, r);
  };
  embedding_backward(T, V, ids.data(), r.data(), dtable.data());
  expect_gradient(table, dtable, row_loss, "dtable");
}

}  // namespace
}  // namespace hindscan::kernels
