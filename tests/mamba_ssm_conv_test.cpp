// The published cases of causal conv1d with their gradients of sum(output); channels first or last.
#include "kernels/pointwise.h"
#include "mamba_ssm_cases.h"

namespace hindscan {
namespace {

using kernels::Act;
using kernels::ActRule;

TYPED_TEST_SUITE(MambaSsmCases, Reals);

// [batch, C, T] or [batch, T, C] at (b, t, c).
struct Order {
  bool channels_first;
  int64_t C, T;
  size_t at(int64_t b, int64_t t, int64_t c) const {
    return static_cast<size_t>(channels_first ? (b * C + c) * T + t : (b * T + t) * C + c);
  }
};

template <class R>
std::vector<R> sequence(const Tensor& x, const Order& o, int64_t b) {
  std::vector<R> out;  // [T, C]
  for (int64_t i = 0; i < o.T * o.C; ++i) out.push_back(static_cast<R>(x.values[o.at(b, i / o.C, i % o.C)]));
  return out;
}

TYPED_TEST(MambaSsmCases, CausalConv1d) {
  using R = TypeParam;
  for (const auto& [name, first, act] :
       {std::tuple{"channels_first_silu", true, Act::kSilu}, {"channels_last_identity", false, Act::kIdentity}}) {
    SCOPED_TRACE(name);
    const Case c = this->load("dw_causal_conv", name);
    const std::vector<int64_t>& shape = c.at("x").shape;
    const int64_t batch = shape[0], C = c.at("weight").shape[0], K = c.at("weight").shape[1];
    const Order order{first, C, shape[first ? 2 : 1]};
    const int64_t n = order.T * C;
    const size_t size = static_cast<size_t>(n), history = static_cast<size_t>((K - 1) * C);
    const std::vector<R> w(c.at("weight").values.begin(), c.at("weight").values.end());
    const bool biased = c.has("bias");
    const std::vector<R> bias =
        biased ? std::vector<R>(c.at("bias").values.begin(), c.at("bias").values.end()) : std::vector<R>();
    std::vector<R> y = poison<R>(c.at("x").values.size()), dx = y, dw(w.size(), R(0)), db(bias.size(), R(0));
    for (int64_t b = 0; b < batch; ++b) {
      const std::vector<R> x = sequence<R>(c.at("x"), order, b), past0(history, R(0)), one(size, R(1));
      std::vector<R> past = past0, conv = poison<R>(size), out = conv, dconv(size, R(0)), din = dconv,
                     dpast(history, R(0));
      kernels::conv1d_forward(order.T, C, K, w.data(), biased ? bias.data() : nullptr, x.data(), past.data(),
                              conv.data());
      kernels::act_forward(act, n, conv.data(), out.data());
      kernels::act_backward(act, ActRule::kExact, n, conv.data(), one.data(), dconv.data());
      kernels::conv1d_backward(order.T, C, K, w.data(), x.data(), past0.data(), dconv.data(), dpast.data(), din.data(),
                               dw.data(), biased ? db.data() : nullptr);
      for (int64_t i = 0; i < n; ++i) {
        y[order.at(b, i / C, i % C)] = out[static_cast<size_t>(i)];
        dx[order.at(b, i / C, i % C)] = din[static_cast<size_t>(i)];
      }
    }
    expect_close(y, c.at("out.y"), "y");
    expect_close(dx, c.at("grad.x"), "x");
    expect_close(dw, c.at("grad.weight"), "weight");
    if (biased) expect_close(db, c.at("grad.bias"), "bias");
  }
}

}  // namespace
}  // namespace hindscan
