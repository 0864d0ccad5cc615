// The published norm and gate cases of the official mamba_ssm package: RMSNorm, gated RMSNorm (gate before and after),
// LayerNorm with residual, dropout and two branches, SwiGLU; gradients of the sum of the first output.
#include "kernels/pointwise.h"
#include "kernels/pointwise_group_norm.h"
#include "mamba_ssm_cases.h"

namespace hindscan {
namespace {

using kernels::Act;
using kernels::ActRule;

constexpr double kEps = 1e-6;

TYPED_TEST_SUITE(MambaSsmCases, Reals);

// One norm with weight and bias over rows of C, and its gradients for dy = 1.
template <class R>
struct Norm {
  std::vector<R> y, dx, dw, db;

  Norm(kernels::NormKind kind, const std::vector<R>& x, const std::vector<R>& w, const std::vector<R>& b) {
    const int64_t C = static_cast<int64_t>(w.size()), T = static_cast<int64_t>(x.size()) / C;
    const kernels::GroupNormShape shape{kind, T, C, 1, false, C};
    std::vector<R> mean = poison<R>(static_cast<size_t>(T)), scale = mean;
    const std::vector<R> ones(x.size(), R(1));
    y = poison<R>(x.size());
    dx.assign(x.size(), R(0)), dw.assign(w.size(), R(0)), db.assign(w.size(), R(0));
    const R* bias = b.empty() ? nullptr : b.data();
    kernels::group_norm_forward(shape, kEps, x.data(), w.data(), bias, y.data(), mean.data(), scale.data());
    kernels::group_norm_backward(shape, kEps, x.data(), w.data(), mean.data(), scale.data(), ones.data(), false,
                                 dx.data(), dw.data(), bias ? db.data() : nullptr);
  }
};

template <class R>
std::vector<R> sum(const std::vector<R>& a, const std::vector<R>& b) {
  std::vector<R> y = poison<R>(a.size());
  kernels::add_forward(static_cast<int64_t>(a.size()), a.data(), b.data(), y.data());
  return y;
}

template <class R>
std::vector<R> gated(const std::vector<R>& a, const std::vector<R>& z) {
  const int64_t n = static_cast<int64_t>(a.size());
  std::vector<R> gate = poison<R>(a.size()), y = gate;
  kernels::act_forward(Act::kSilu, n, z.data(), gate.data());
  kernels::gate_forward(n, a.data(), gate.data(), y.data());
  return y;
}

TYPED_TEST(MambaSsmCases, RmsNorm) {
  using R = TypeParam;
  const Case c = this->load("layer_norms", "rms_norm");
  const int64_t C = c.at("w").shape[0], T = static_cast<int64_t>(c.at("x").values.size()) / C;
  const std::vector<R> x = c.at("x").template as<R>(), w = c.at("w").template as<R>(), dy(x.size(), R(1));
  std::vector<R> y = poison<R>(x.size()), rstd = poison<R>(static_cast<size_t>(T)), dx(x.size(), R(0)),
                 dw(w.size(), R(0));
  kernels::rmsnorm_forward(T, C, x.data(), w.data(), R(kEps), y.data(), rstd.data());
  kernels::rmsnorm_backward(T, C, x.data(), w.data(), rstd.data(), dy.data(), false, dx.data(), dw.data());
  expect_close(y, c.at("out.y"), "y");
  expect_close(dx, c.at("grad.x"), "x");
  expect_close(dw, c.at("grad.w"), "w");
}

// norm_before: norm, then gate; norm_after: gate, then norm.
TYPED_TEST(MambaSsmCases, GatedRmsNorm) {
  using R = TypeParam;
  const Case c = this->load("layer_norms", "gated_rms_norm");
  const std::vector<R> x = c.at("x").template as<R>(), z = c.at("z").template as<R>(), w = c.at("w").template as<R>(),
                       b = c.at("b").template as<R>();
  expect_close(gated(Norm<R>(kernels::NormKind::kRms, x, w, b).y, z), c.at("out.y_norm_before"), "norm before gate");
  expect_close(Norm<R>(kernels::NormKind::kRms, gated(x, z), w, b).y, c.at("out.y_norm_after"), "norm after gate");
}

TYPED_TEST(MambaSsmCases, LayerNormOfAResidual) {
  using R = TypeParam;
  const Case c = this->load("layer_norms", "layer_norm_prenorm");
  const std::vector<R> total = sum(c.at("x").template as<R>(), c.at("residual").template as<R>());
  const Norm<R> norm(kernels::NormKind::kLayer, total, c.at("w").template as<R>(), c.at("b").template as<R>());
  expect_close(total, c.at("out.residual_out"), "residual_out");
  expect_close(norm.y, c.at("out.y"), "y");
  for (const char* input : {"grad.x", "grad.residual"}) expect_close(norm.dx, c.at(input), input);
  expect_close(norm.dw, c.at("grad.w"), "w");
  expect_close(norm.db, c.at("grad.b"), "b");
}

// Rows scaled, then entries dropped by the given mask with probability 0.1, then the residual: factors on the branch.
TYPED_TEST(MambaSsmCases, LayerNormAfterDropout) {
  using R = TypeParam;
  const Case c = this->load("layer_norms", "layer_norm_dropout_rowscale");
  const std::vector<R> x = c.at("x").template as<R>(), rows = c.at("rowscale").template as<R>(),
                       mask = c.at("out.dropout_mask").template as<R>();
  const size_t C = c.at("w").values.size();
  std::vector<R> factor, branch = poison<R>(x.size()), dx(x.size(), R(0));
  for (size_t i = 0; i < x.size(); ++i) factor.push_back(rows[i / C] * mask[i] / R(0.9));
  kernels::gate_forward(static_cast<int64_t>(x.size()), x.data(), factor.data(), branch.data());
  const Norm<R> norm(kernels::NormKind::kLayer, sum(branch, c.at("residual").template as<R>()),
                     c.at("w").template as<R>(), c.at("b").template as<R>());
  kernels::gate_backward(static_cast<int64_t>(x.size()), x.data(), factor.data(), norm.dx.data(), R(1), R(1), dx.data(),
                         nullptr);
  expect_close(norm.y, c.at("out.y"), "y");
  expect_close(dx, c.at("grad.x"), "x");
  expect_close(norm.dx, c.at("grad.residual"), "residual");
  expect_close(norm.dw, c.at("grad.w"), "w");
  expect_close(norm.db, c.at("grad.b"), "b");
}

// Two inputs added, two norms of the sum.
TYPED_TEST(MambaSsmCases, LayerNormsOfTwoBranches) {
  using R = TypeParam;
  const Case c = this->load("layer_norms", "layer_norm_dual_branch");
  const std::vector<R> total = sum(c.at("x").template as<R>(), c.at("x1").template as<R>());
  const Norm<R> first(kernels::NormKind::kLayer, total, c.at("w").template as<R>(), c.at("b").template as<R>());
  const Norm<R> second(kernels::NormKind::kLayer, total, c.at("w1").template as<R>(), c.at("b1").template as<R>());
  expect_close(first.y, c.at("out.y"), "y");
  expect_close(second.y, c.at("out.y1"), "y1");
  for (const char* input : {"grad.x", "grad.x1"}) expect_close(sum(first.dx, second.dx), c.at(input), input);
  expect_close(first.dw, c.at("grad.w"), "w");
  expect_close(first.db, c.at("grad.b"), "b");
  expect_close(second.dw, c.at("grad.w1"), "w1");
  expect_close(second.db, c.at("grad.b1"), "b1");
}

// y = silu(a) b with [a, b] side by side in each row.
TYPED_TEST(MambaSsmCases, SwiGlu) {
  using R = TypeParam;
  const Case c = this->load("swiglu", "swiglu");
  const int64_t rows = c.at("xy").shape[0], C = c.at("xy").shape[1] / 2;
  std::vector<R> y = poison<R>(static_cast<size_t>(rows * C)), dxy = poison<R>(static_cast<size_t>(rows * 2 * C));
  for (int64_t r = 0; r < rows; ++r) {
    const std::vector<R> a = c.at("xy").template strided<R>(r * 2 * C, 1, C),
                         b = c.at("xy").template strided<R>(r * 2 * C + C, 1, C);
    std::vector<R> gate = poison<R>(a.size()), dgate(a.size(), R(0)), da = dgate, db = dgate;
    const std::vector<R> ones(a.size(), R(1));
    kernels::act_forward(Act::kSilu, C, a.data(), gate.data());
    kernels::gate_forward(C, b.data(), gate.data(), y.data() + r * C);
    kernels::gate_backward(C, b.data(), gate.data(), ones.data(), R(1), R(1), db.data(), dgate.data());
    kernels::act_backward(Act::kSilu, ActRule::kExact, C, a.data(), dgate.data(), da.data());
    std::copy(da.begin(), da.end(), dxy.begin() + r * 2 * C);
    std::copy(db.begin(), db.end(), dxy.begin() + r * 2 * C + C);
  }
  expect_close(y, c.at("out.y"), "y");
  expect_close(dxy, c.at("grad.xy"), "xy");
}

}  // namespace
}  // namespace hindscan
