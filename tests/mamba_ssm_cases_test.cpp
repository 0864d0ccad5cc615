// The published cases of the official mamba_ssm package (data folder, goldens/): selective_scan (also grouped and
// in half precision) with its gradients of sum(output), and selective_state_update. Made on a GPU in float32, so
// both precisions get the float bar.
#include "mamba_ssm_cases.h"

#include "kernels/glr/element.h"
#include "kernels/glr/element_grouped.h"
#include "kernels/pointwise.h"

namespace hindscan {
namespace {

using kernels::Act;
using kernels::ActRule;

TYPED_TEST_SUITE(MambaSsmCases, Reals);

// y = (scan + D u) silu(z) with dt = softplus(delta + bias), each part where the case has it; gradients of sum(y). One
// channel of one sequence at a time, since B and C may belong to a channel [D, N] or to a sequence [batch, N, T].
template <class R>
class ScanCase {
 public:
  ScanCase(const Case& c, bool softplus) : c_(c), softplus_(softplus) {
    const std::vector<int64_t>& shape = c.at("u").shape;
    batch_ = shape[0], D_ = shape[1], T_ = shape[2], N_ = c.at("A").shape[1];
    for (const char* name : {"u", "delta", "A", "B", "C", "D", "z", "delta_bias"}) {
      if (c.has(name)) gradient_[name] = zeros(c.at(name).values.size());
    }
    y_ = poison<R>(c.at("u").values.size());
    last_ = poison<R>(static_cast<size_t>(batch_ * D_ * N_));
    for (int64_t b = 0; b < batch_; ++b) {
      for (int64_t d = 0; d < D_; ++d) channel(b, d);
    }
  }
  const std::vector<R>& y() const { return y_; }
  const std::vector<R>& last_state() const { return last_; }
  const std::vector<R>& gradient(const std::string& name) const { return gradient_.at(name); }

 private:
  static std::vector<R> zeros(size_t n) { return std::vector<R>(n, R(0)); }
  std::vector<R> cut(const std::string& name, int64_t from, int64_t count) const {
    const auto begin = c_.at(name).values.begin() + from;
    return std::vector<R>(begin, begin + count);
  }
  void add(const std::string& name, int64_t at, R value) { gradient_.at(name)[static_cast<size_t>(at)] += value; }
  // Where B or C of (b, d, t, n) lies.
  int64_t coefficient(const std::string& name, int64_t b, int64_t d, int64_t t, int64_t n) const {
    return c_.at(name).shape.size() == 2 ? d * N_ + n : (b * N_ + n) * T_ + t;
  }
  std::vector<R> per_token(const std::string& name, int64_t b, int64_t d) const {
    std::vector<R> out;  // [T, N]
    for (int64_t i = 0; i < T_ * N_; ++i) {
      out.push_back(static_cast<R>(c_.at(name).values[static_cast<size_t>(coefficient(name, b, d, i / N_, i % N_))]));
    }
    return out;
  }

  void channel(int64_t b, int64_t d) {
    const int64_t at = (b * D_ + d) * T_;
    const size_t T = static_cast<size_t>(T_), N = static_cast<size_t>(N_);
    const std::vector<R> u = cut("u", at, T_), delta = cut("delta", at, T_), A = cut("A", d * N_, N_);
    const std::vector<R> B = per_token("B", b, d), C = per_token("C", b, d);
    const bool skip = c_.has("D"), gated = c_.has("z");
    const std::vector<R> bias = c_.has("delta_bias") ? cut("delta_bias", d, 1) : zeros(1);
    std::vector<R> dt = delta, S = zeros(N), y = poison<R>(T);
    if (softplus_) kernels::bias_act_forward(Act::kSoftplus, T_, 1, delta.data(), bias.data(), dt.data());
    const kernels::glr::ElementDims dims{T_, 1, N_};
    const kernels::glr::ElementCoeffs<R> coeffs{dt.data(), A.data(), B.data(), C.data()};
    kernels::glr::element_forward(dims, coeffs, u.data(), S.data(), y.data());
    // The official kernel moves a constant B to the reading side: its last state lacks it.
    for (size_t n = 0; n < N; ++n) last_[static_cast<size_t>((b * D_ + d) * N_) + n] = S[n] / B[n];

    const std::vector<R> one(T, R(1)), D = skip ? cut("D", d, 1) : zeros(1);
    std::vector<R> with_skip = y, dy(T, R(1)), dscan = dy, dskip = zeros(1), du = zeros(T);
    if (skip) kernels::skip_forward(T_, 1, y.data(), D.data(), u.data(), with_skip.data());
    std::vector<R> out = with_skip;
    if (gated) {
      const std::vector<R> z = cut("z", at, T_);
      std::vector<R> gate = poison<R>(T), dgate = zeros(T), dz = zeros(T);
      kernels::act_forward(Act::kSilu, T_, z.data(), gate.data());
      kernels::gate_forward(T_, with_skip.data(), gate.data(), out.data());
      std::fill(dscan.begin(), dscan.end(), R(0));
      kernels::gate_backward(T_, with_skip.data(), gate.data(), one.data(), R(1), R(1), dscan.data(), dgate.data());
      kernels::act_backward(Act::kSilu, ActRule::kExact, T_, z.data(), dgate.data(), dz.data());
      for (int64_t t = 0; t < T_; ++t) add("z", at + t, dz[static_cast<size_t>(t)]);
    }
    std::copy(out.begin(), out.end(), y_.begin() + at);
    if (skip) {
      kernels::skip_backward(T_, 1, D.data(), u.data(), dscan.data(), du.data(), dskip.data());
      add("D", d, dskip[0]);
    }
    std::vector<R> ddt = zeros(T), dA = zeros(N), dB = zeros(B.size()), dC = dB, dS = zeros(N), S0 = zeros(N);
    kernels::glr::element_backward(dims, coeffs, u.data(), S0.data(), dscan.data(),
                                   {du.data(), ddt.data(), ddt.data(), dA.data(), dB.data(), dC.data(), dS.data()});
    std::vector<R> ddelta = zeros(T), dbias = zeros(1);
    if (softplus_) {
      kernels::bias_act_backward(Act::kSoftplus, T_, 1, delta.data(), bias.data(), ddt.data(), ddelta.data(),
                                 dbias.data());
      if (c_.has("delta_bias")) add("delta_bias", d, dbias[0]);
    } else {
      ddelta = ddt;
    }
    for (int64_t t = 0; t < T_; ++t) {
      add("u", at + t, du[static_cast<size_t>(t)]);
      add("delta", at + t, ddelta[static_cast<size_t>(t)]);
      for (int64_t n = 0; n < N_; ++n) {
        add("B", coefficient("B", b, d, t, n), dB[static_cast<size_t>(t * N_ + n)]);
        add("C", coefficient("C", b, d, t, n), dC[static_cast<size_t>(t * N_ + n)]);
      }
    }
    for (int64_t n = 0; n < N_; ++n) add("A", d * N_ + n, dA[static_cast<size_t>(n)]);
  }

  const Case& c_;
  bool softplus_;
  int64_t batch_ = 0, D_ = 0, T_ = 0, N_ = 0;
  std::vector<R> y_, last_;
  std::map<std::string, std::vector<R>> gradient_;
};

TYPED_TEST(MambaSsmCases, SelectiveScan) {
  for (const auto& [name, softplus] : {std::pair{"minimal", false}, {"full", true}, {"time_varying_3d", true}}) {
    SCOPED_TRACE(name);
    const Case c = this->load("selective_scan", name);
    const ScanCase<TypeParam> found(c, softplus);
    expect_close(found.y(), c.at("out.y"), "y");
    if (c.has("out.last_state")) expect_close(found.last_state(), c.at("out.last_state"), "last_state");
    for (const char* input : {"u", "delta", "A", "B", "C", "D", "z", "delta_bias"}) {
      if (c.has(input)) expect_close(found.gradient(input), c.at(std::string("grad.") + input), input);
    }
  }
}

// Inputs and results in half precision, arithmetic in float: the tolerances of the official tests.
TYPED_TEST(MambaSsmCases, SelectiveScanInHalfPrecision) {
  for (const auto& [name, bar] :
       {std::pair{"minimal_bf16", tol::kOfficialBf16}, {"minimal_fp16", tol::kOfficialBf16.times(0.1)}}) {
    SCOPED_TRACE(name);
    const Case c = this->load("selective_scan", name);
    const ScanCase<TypeParam> found(c, false);
    expect_close(found.y(), c.at("out.y"), "y", bar);
    expect_close(found.gradient("u"), c.at("grad.u"), "u", bar.times(2));
    expect_close(found.gradient("delta"), c.at("grad.delta"), "delta", bar.times(5));
    expect_close(found.gradient("A"), c.at("grad.A"), "A", tol::kOfficialHalfA);
    for (const char* input : {"B", "C"})
      expect_close(found.gradient(input), c.at(std::string("grad.") + input), input, bar);
  }
}

// Three channels in two groups do not divide: the official kernel takes the third's B and C from outside its sequence,
// so the first two are the case, with a group each. The third also adds to the next sequence's first gradients of B and
// C, which are left out; those of u and the steps are all NaN in the file.
TYPED_TEST(MambaSsmCases, SelectiveScanWithGroups) {
  using R = TypeParam;
  const Case c = this->load("selective_scan", "grouped_time_varying");
  const int64_t batch = 2, given = 3, D = 2, G = 2, T = c.at("u").shape[2], N = c.at("A").shape[1];
  const std::vector<R> A = c.at("A").template strided<R>(0, 1, D * N),
                       bias = c.at("delta_bias").template strided<R>(0, 1, D);
  const kernels::glr::ElementDims dims{T, D, N};
  std::vector<R> dA(A.size(), R(0));
  for (int64_t b = 0; b < batch; ++b) {
    SCOPED_TRACE(b);
    std::vector<R> x, delta, B, C;
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t d = 0; d < D; ++d) {
        const int64_t at = (b * given + d) * T + t;
        x.push_back(c.at("u").template strided<R>(at, 1, 1)[0]),
            delta.push_back(c.at("delta").template strided<R>(at, 1, 1)[0]);
      }
      for (const R v : c.at("B").template strided<R>(b * G * N * T + t, T, G * N)) B.push_back(v);  // [G, N]
      for (const R v : c.at("C").template strided<R>(b * G * N * T + t, T, G * N)) C.push_back(v);
    }
    std::vector<R> dt = poison<R>(x.size()), y = dt, S(A.size(), R(0)), dx(x.size(), R(0)), ddt = dx,
                   dB(B.size(), R(0)), dC = dB, dS = S;
    const std::vector<R> S0 = S, ones(x.size(), R(1));
    kernels::bias_act_forward(Act::kSoftplus, T, D, delta.data(), bias.data(), dt.data());
    const kernels::glr::ElementCoeffs<R> coeffs{dt.data(), A.data(), B.data(), C.data()};
    kernels::glr::element_grouped_forward(dims, G, coeffs, x.data(), S.data(), y.data());
    kernels::glr::element_grouped_backward<R>(
        dims, G, coeffs, x.data(), S0.data(), ones.data(),
        {dx.data(), ddt.data(), ddt.data(), dA.data(), dB.data(), dC.data(), dS.data()});
    for (int64_t d = 0; d < D; ++d) {
      std::vector<R> one;
      for (int64_t t = 0; t < T; ++t) one.push_back(y[static_cast<size_t>(t * D + d)]);
      expect_close(one, Tensor{{T}, c.at("out.y").template strided<double>((b * given + d) * T, 1, T), {}}, "y");
    }
    const auto keys = [&](const std::vector<R>& found, int64_t g, const char* name) {
      std::vector<R> one;  // [N, T]
      for (int64_t i = 0; i < N * T; ++i) one.push_back(found[static_cast<size_t>((i % T * G + g) * N + i / T)]);
      expect_close(one, Tensor{{N, T}, c.at(name).template strided<double>((b * G + g) * N * T, 1, N * T), {}}, name);
    };
    for (int64_t g = b; g < G; ++g) keys(dB, g, "grad.B"), keys(dC, g, "grad.C");
  }
  expect_close(dA, Tensor{{D, N}, c.at("grad.A").template strided<double>(0, 1, D * N), {}}, "A");
}

// One token with a carried state: the scan with T = 1. Heads [batch, H, P] with B, C per group are H P channels.
TYPED_TEST(MambaSsmCases, SelectiveStateUpdate) {
  using R = TypeParam;
  for (const auto& [name, softplus, G] :
       {std::tuple{"baseline_full", true, int64_t{1}}, {"grouped", false, int64_t{2}}}) {
    SCOPED_TRACE(name);
    const Case c = this->load("selective_state_update", name);
    const int64_t batch = c.at("x").shape[0], N = c.at("B").shape.back();
    const int64_t D = static_cast<int64_t>(c.at("x").values.size()) / batch;
    const std::vector<R> A = c.at("A").template as<R>(), bias = c.at("dt_bias").template as<R>();
    std::vector<R> y = poison<R>(c.at("x").values.size()), S = c.at("state").template as<R>();
    for (int64_t b = 0; b < batch; ++b) {
      const std::vector<R> x = c.at("x").template strided<R>(b * D, 1, D),
                           raw = c.at("dt").template strided<R>(b * D, 1, D);
      const std::vector<R> B = c.at("B").template strided<R>(b * G * N, 1, G * N),
                           C = c.at("C").template strided<R>(b * G * N, 1, G * N);
      std::vector<R> dt = raw;
      if (softplus) {
        kernels::bias_act_forward(Act::kSoftplus, 1, D, raw.data(), bias.data(), dt.data());
      } else {
        kernels::add_bias(1, D, bias.data(), dt.data());
      }
      R* out = y.data() + b * D;
      kernels::glr::element_grouped_forward<R>({1, D, N}, G, {dt.data(), A.data(), B.data(), C.data()}, x.data(),
                                               S.data() + b * D * N, out);
      if (!c.has("D")) continue;
      const std::vector<R> skip = c.at("D").template as<R>(), z = c.at("z").template strided<R>(b * D, 1, D);
      std::vector<R> gate = poison<R>(z.size()), skipped = gate;
      kernels::skip_forward(1, D, out, skip.data(), x.data(), skipped.data());
      kernels::act_forward(Act::kSilu, D, z.data(), gate.data());
      kernels::gate_forward(D, skipped.data(), gate.data(), out);
    }
    expect_close(y, c.at("out.y"), "y");
    expect_close(S, c.at("out.updated_state"), "updated_state");
  }
}

}  // namespace
}  // namespace hindscan
