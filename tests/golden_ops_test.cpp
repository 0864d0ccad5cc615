// Kernels against torch: outputs and gradients of single operations, and AdamW steps (tests/golden/ops.safetensors).
#include <gtest/gtest.h>

#include <limits>

#include "golden_file.h"
#include "kernels/glr/element.h"
#include "kernels/pointwise.h"

namespace hindscan {
namespace {

using kernels::Act;
using kernels::ActRule;
using testing::GoldenFile;

const GoldenFile& golden() {
  static const GoldenFile file("ops.safetensors");
  return file;
}

template <class R>
class GoldenOps : public ::testing::Test {
 protected:
  static std::vector<R> in(const std::string& name) { return golden().reals<R>(name); }
  static std::vector<R> poison(size_t n) { return std::vector<R>(n, std::numeric_limits<R>::quiet_NaN()); }
  static std::vector<R> zeros(size_t n) { return std::vector<R>(n, R(0)); }
  // Values: within rounding of one operation. Gradients: the bar of the whole model.
  static constexpr Tolerance kValue = sizeof(R) == 4 ? tol::kF32Forward : tol::kF64Regrouped;
  static constexpr Tolerance kGrad = sizeof(R) == 4 ? tol::kF32Backward.times(0.5) : tol::kF64Regrouped.times(10);
  static void expect(const std::vector<R>& found, const std::string& name, const Tolerance& t) {
    EXPECT_TRUE(agree(found, golden().reals<double>(name), t)) << name;
  }
};
using Reals = ::testing::Types<float, double>;
TYPED_TEST_SUITE(GoldenOps, Reals);

TYPED_TEST(GoldenOps, RmsNorm) {
  using R = TypeParam;
  for (const std::string op : {"rmsnorm", "rmsnorm_weightless"}) {
    const std::vector<int64_t> shape = golden().shape(op + ".x");
    const int64_t T = shape[0], C = shape[1];
    const auto x = this->in(op + ".x"), dy = this->in(op + ".dy");
    const auto w = golden().has(op + ".w") ? this->in(op + ".w") : std::vector<R>();
    const R* weight = w.empty() ? nullptr : w.data();
    auto y = this->poison(x.size()), rstd = this->poison(static_cast<size_t>(T));
    kernels::rmsnorm_forward(T, C, x.data(), weight, R(1e-5), y.data(), rstd.data());
    this->expect(y, op + ".y", this->kValue);
    auto dx = this->zeros(x.size()), dw = this->zeros(w.size());
    kernels::rmsnorm_backward(T, C, x.data(), weight, rstd.data(), dy.data(), false, dx.data(),
                              w.empty() ? nullptr : dw.data());
    this->expect(dx, op + ".dx", this->kGrad);
    if (!w.empty()) this->expect(dw, op + ".dw", this->kGrad);
  }
}

TYPED_TEST(GoldenOps, Activations) {
  using R = TypeParam;
  const std::pair<Act, std::string> table[] = {{Act::kSilu, "silu"},         {Act::kSigmoid, "sigmoid"},
                                               {Act::kSoftplus, "softplus"}, {Act::kTanh, "tanh"},
                                               {Act::kRelu2, "relu2"},       {Act::kGelu, "gelu_erf"}};
  for (const auto& [act, op] : table) {
    const auto x = this->in(op + ".x"), dy = this->in(op + ".dy"), y_ref = this->in(op + ".y"),
               dx_ref = this->in(op + ".dx");
    const auto n = static_cast<int64_t>(x.size());
    auto y = this->poison(x.size()), dx = this->zeros(x.size());
    kernels::act_forward(act, n, x.data(), y.data());
    kernels::act_backward(act, ActRule::kExact, n, x.data(), dy.data(), dx.data());
    // Inputs reach 300 and 1e-12: each value against its own size, down to rounding at 1.
    const Tolerance each = sizeof(R) == 4 ? tol::kF32Pointwise : tol::kF64Each;
    EXPECT_TRUE(agree(y, y_ref, each.times(0.5))) << op;
    EXPECT_TRUE(agree(dx, dx_ref, each.times(2.5))) << op << "'";
  }
}

TYPED_TEST(GoldenOps, CausalConv1d) {
  for (const std::string op : {"conv1d", "conv1d_short"}) {
    const auto u = this->in(op + ".u"), w = this->in(op + ".w"), past0 = this->in(op + ".past"),
               dy = this->in(op + ".dy");
    const std::vector<int64_t> shape = golden().shape(op + ".u");
    const int64_t T = shape[0], C = shape[1], K = golden().shape(op + ".w")[1];
    const auto b = golden().has(op + ".b") ? this->in(op + ".b") : this->zeros(0);
    const auto* bias = b.empty() ? nullptr : b.data();
    auto past = past0, y = this->poison(u.size());
    kernels::conv1d_forward(T, C, K, w.data(), bias, u.data(), past.data(), y.data());
    this->expect(y, op + ".y", this->kValue);
    EXPECT_EQ(past, this->in(op + ".past_out"));
    auto du = this->zeros(u.size()), dw = this->zeros(w.size()), db = this->zeros(b.size()),
         dpast = this->in(op + ".dpast_out");
    kernels::conv1d_backward(T, C, K, w.data(), u.data(), past0.data(), dy.data(), dpast.data(), du.data(), dw.data(),
                             b.empty() ? nullptr : db.data());
    this->expect(du, op + ".du", this->kGrad);
    this->expect(dw, op + ".dw", this->kGrad);
    this->expect(dpast, op + ".dpast", this->kGrad);
    if (!b.empty()) this->expect(db, op + ".db", this->kGrad);
  }
}

TYPED_TEST(GoldenOps, Scan) {
  using R = TypeParam;
  const auto dt = this->in("scan.dt_write"), B = this->in("scan.B"), C = this->in("scan.C"), x = this->in("scan.x"),
             S0 = this->in("scan.S0");
  auto A = this->in("scan.A_log");
  for (R& a : A) a = -std::exp(a);
  const kernels::glr::ElementDims dims{golden().shape("scan.x")[0], golden().shape("scan.x")[1],
                                       golden().shape("scan.B")[1]};
  const kernels::glr::ElementCoeffs<R> coeffs{dt.data(), A.data(), B.data(), C.data()};
  auto S = S0, y = this->poison(x.size());
  kernels::glr::element_forward(dims, coeffs, x.data(), S.data(), y.data());
  this->expect(y, "scan.y", this->kValue);
  this->expect(S, "scan.S", this->kValue);

  const auto dy = this->in("scan.dy");
  auto dx = this->zeros(x.size()), write = this->zeros(dt.size()), decay = this->zeros(dt.size()),
       dA = this->zeros(A.size());
  auto dB = this->zeros(B.size()), dC = this->zeros(C.size()), dS = this->in("scan.dS");
  kernels::glr::ElementGrads<R> grads;
  grads.dx = dx.data();
  grads.ddt_write = write.data();
  grads.ddt_decay = decay.data();
  grads.dA = dA.data();
  grads.dB = dB.data();
  grads.dC = dC.data();
  grads.dS = dS.data();
  kernels::glr::element_backward(dims, coeffs, x.data(), S0.data(), dy.data(), grads);
  this->expect(dx, "scan.dx", this->kGrad);
  this->expect(write, "scan.ddt_write", this->kGrad);
  this->expect(decay, "scan.ddt_decay", this->kGrad);
  this->expect(dB, "scan.dB", this->kGrad);
  this->expect(dC, "scan.dC", this->kGrad);
  this->expect(dS, "scan.dS0", this->kGrad);
  for (size_t i = 0; i < A.size(); ++i) dA[i] *= A[i];  // to A_log
  this->expect(dA, "scan.dA_log", this->kGrad);
}

TYPED_TEST(GoldenOps, CrossEntropy) {
  const std::vector<int64_t> shape = golden().shape("cross_entropy.logits");
  auto logits = this->in("cross_entropy.logits");
  const auto weight = this->in("cross_entropy.weight");
  const std::vector<int32_t> targets = golden().ids("cross_entropy.targets");
  auto losses = this->poison(targets.size()), dlogits = this->poison(logits.size());
  kernels::cross_entropy(shape[0], shape[1], logits.data(), targets.data(), weight.data(), losses.data(),
                         dlogits.data());
  // Row 1 and row 2 are shifted by 1000: in float their inputs are already rounded to 6e-5.
  const Tolerance bar = sizeof(TypeParam) == 4 ? tol::kF32ShiftedLogits : tol::kF64Regrouped.times(10);
  this->expect(losses, "cross_entropy.losses", bar);
  this->expect(dlogits, "cross_entropy.dlogits", bar);
  auto in_place = this->poison(targets.size());
  kernels::cross_entropy(shape[0], shape[1], logits.data(), targets.data(), weight.data(), in_place.data(),
                         logits.data());
  EXPECT_EQ(logits, dlogits);
}

TEST(GoldenAdamW, FiveClippedSteps) {
  const auto lr = golden().reals<float>("adamw.lr");
  const auto norm = golden().reals<double>("adamw.norm");
  for (const auto& [name, decay] : {std::pair<std::string, float>{"w", 0.1f}, {"b", 0.0f}}) {
    auto w = golden().reals<float>("adamw." + name + ".0");
    std::vector<float> m(w.size(), 0.0f), v(w.size(), 0.0f);
    for (int step = 1; step <= 5; ++step) {
      const auto g = golden().reals<float>(fmt::format("adamw.g{}.{}", name, step));
      const size_t i = static_cast<size_t>(step - 1);
      const double scale = std::min(1.0, 1.0 / (norm[i] + 1e-6));
      const auto bias1 = static_cast<float>(1 - std::pow(0.9, step)),
                 bias2 = static_cast<float>(1 - std::pow(0.95, step));
      kernels::adamw_update({lr[i], 0.9f, 0.95f, 1e-8f, decay, bias1, bias2, static_cast<float>(scale)},
                            static_cast<int64_t>(w.size()), g.data(), w.data(), m.data(), v.data());
      EXPECT_TRUE(agree(w, golden().reals<double>(fmt::format("adamw.{}.{}", name, step)), tol::kF32Forward))
          << name << " step " << step;
    }
    if (name == "w") {
      EXPECT_TRUE(agree(m, golden().reals<double>("adamw.m"), tol::kF32Forward.times(2)));
      EXPECT_TRUE(agree(v, golden().reals<double>("adamw.v"), tol::kF32Forward.times(2)));
    }
  }
}

}  // namespace
}  // namespace hindscan
