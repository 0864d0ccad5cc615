// The published cases of the official mamba_ssm package (data folder, goldens/): selective_scan, causal conv1d and
// rms_norm with their gradients of sum(output). Made on a GPU in float32, so both precisions get the float bar.
#include <gtest/gtest.h>
#include <simdjson.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "kernels/glr/element.h"
#include "kernels/pointwise.h"

namespace hindscan {
namespace {

using kernels::Act;
using kernels::ActRule;

constexpr double kBar = 1e-5;  // of max |ref|

std::string cases_path() {
  const char* data = std::getenv("HINDSCAN_DATA");
  const std::string folder = data ? data : std::string(HINDSCAN_SOURCE_DIR) + "/../shared/data";
  return folder + "/goldens/mamba_ssm-reference-cases.json";
}

struct Tensor {
  std::vector<int64_t> shape;
  std::vector<double> values;
};

void flatten(simdjson::dom::element e, std::vector<double>& to) {
  if (e.is_null()) return to.push_back(std::numeric_limits<double>::quiet_NaN());
  if (!e.is_array()) return to.push_back(e.get_double());
  for (const simdjson::dom::element item : e.get_array()) flatten(item, to);
}

// Inputs under their names, outputs as out.NAME, gradients as grad.NAME.
class Case {
 public:
  Case(simdjson::dom::element document, const std::string& group, const std::string& name) {
    const simdjson::dom::element one = document[group][name];
    for (const auto& [part, prefix] : {std::pair{"inputs", ""}, {"outputs", "out."}, {"gradients", "grad."}}) {
      for (const auto& field : one[part].get_object()) {
        Tensor& t = tensors_[prefix + std::string(field.key)];
        for (const simdjson::dom::element n : field.value["shape"].get_array()) t.shape.push_back(n.get_int64());
        flatten(field.value["data"], t.values);
      }
    }
  }
  bool has(const std::string& name) const { return tensors_.count(name) != 0; }
  const Tensor& at(const std::string& name) const { return tensors_.at(name); }

 private:
  std::map<std::string, Tensor> tensors_;
};

template <class R>
std::vector<R> poison(size_t n) {
  return std::vector<R>(n, std::numeric_limits<R>::quiet_NaN());
}

// Entries for which the official kernel gives NaN say nothing and are left out.
template <class R>
void expect_close(const std::vector<R>& found, const Tensor& reference, const std::string& what) {
  ASSERT_EQ(found.size(), reference.values.size()) << what;
  double worst = 0, scale = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    if (std::isnan(reference.values[i])) continue;
    const double diff = std::abs(static_cast<double>(found[i]) - reference.values[i]);
    worst = diff <= worst ? worst : diff;
    scale = std::max(scale, std::abs(reference.values[i]));
  }
  EXPECT_GT(scale, 0) << what << ": nothing to compare with";
  EXPECT_LE(worst, kBar * scale) << what;
}

template <class R>
class MambaSsmCases : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(cases_path())) GTEST_SKIP() << "skipped: no data (" << cases_path() << ")";
    std::ifstream file(cases_path());
    std::string text(std::istreambuf_iterator<char>(file), {});
    // Where A > 0 some gradients of the official kernel are NaN, which is not JSON.
    text = std::regex_replace(text, std::regex("NaN"), "null");
    document_ = parser_.parse(text);
  }
  Case load(const std::string& group, const std::string& name) const { return Case(document_, group, name); }

 private:
  simdjson::dom::parser parser_;
  simdjson::dom::element document_;
};
using Reals = ::testing::Types<float, double>;
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

TYPED_TEST(MambaSsmCases, RmsNorm) {
  using R = TypeParam;
  const Case c = this->load("layer_norms", "rms_norm");
  const int64_t C = c.at("w").shape[0], T = static_cast<int64_t>(c.at("x").values.size()) / C;
  const std::vector<R> x(c.at("x").values.begin(), c.at("x").values.end());
  const std::vector<R> w(c.at("w").values.begin(), c.at("w").values.end()), dy(x.size(), R(1));
  std::vector<R> y = poison<R>(x.size()), rstd = poison<R>(static_cast<size_t>(T)), dx(x.size(), R(0)),
                 dw(w.size(), R(0));
  kernels::rmsnorm_forward(T, C, x.data(), w.data(), R(1e-6), y.data(), rstd.data());
  kernels::rmsnorm_backward(T, C, x.data(), w.data(), rstd.data(), dy.data(), false, dx.data(), dw.data());
  expect_close(y, c.at("out.y"), "y");
  expect_close(dx, c.at("grad.x"), "x");
  expect_close(dw, c.at("grad.w"), "w");
}

}  // namespace
}  // namespace hindscan
