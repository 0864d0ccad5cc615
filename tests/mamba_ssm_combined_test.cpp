// The published SSD cases of the official mamba_ssm package that are Mamba-2's whole scan: one call of the head
// recurrence. The GPU kernels multiply in TF32: RMS ratio 1e-2.
#include "kernels/pointwise.h"
#include "mamba_ssm_ssd.h"

namespace hindscan {
namespace {

using kernels::Act;
using kernels::ActRule;
using kernels::glr::HeadGrads;

TYPED_TEST_SUITE(MambaSsmCases, Reals);

// Entries of head 0 of a [rows, H, width] array.
template <class X>
std::vector<X> first_head(const std::vector<X>& x, int64_t width) {
  std::vector<X> out;
  for (size_t i = 0; i < x.size(); ++i) {
    if (static_cast<int64_t>(i) / width % kHeads == 0) out.push_back(x[i]);
  }
  return out;
}

// Mamba-2's scan in one call, with softplus, D, gate and initial states; gradients of sum(y). Head 1 has A > 0, which
// the official kernels hold at 1 inside chunks only: it is left out, and with it B and C, whose gradients add both
// heads.
TYPED_TEST(MambaSsmCases, Combined) {
  using R = TypeParam;
  const Case c = this->load("ssd_combined", "combined_full");
  const int64_t width = kHeads * kP, n = kTokens * width, keys = kTokens * kN;
  const std::vector<R> A = c.at("A").template as<R>(), D = c.at("D").template as<R>(),
                       bias = c.at("dt_bias").template as<R>();
  for (const Algorithm algorithm : {Algorithm::kSequential, Algorithm::kChunked}) {
    SCOPED_TRACE(static_cast<int>(algorithm));
    std::vector<R> y, last, dX, dz, ddt, dinitial, dA(kHeads, R(0)), dD(D.size(), R(0)), dbias(kHeads, R(0));
    for (int64_t b = 0; b < kBatch; ++b) {
      const std::vector<R> raw = c.at("dt").template strided<R>(b * kTokens * kHeads, 1, kTokens * kHeads);
      Scan<R> scan{{kTokens, kHeads, 1, kN, kP},
                   c.at("C").template strided<R>(b * keys, 1, keys),
                   c.at("B").template strided<R>(b * keys, 1, keys),
                   {},
                   poison<R>(raw.size()),
                   c.at("X").template strided<R>(b * n, 1, n),
                   state_of<R>(c.at("initial_states"), b)};
      const std::vector<R> S0 = scan.S, z = c.at("z").template strided<R>(b * n, 1, n),
                           ones(static_cast<size_t>(n), R(1));
      kernels::bias_act_forward(Act::kSoftplus, kTokens, kHeads, raw.data(), bias.data(), scan.s.data());
      for (size_t i = 0; i < raw.size(); ++i) scan.g.push_back(scan.s[i] * A[i % kHeads]);
      const std::vector<R> core = scan.run(algorithm);
      std::vector<R> skipped = poison<R>(core.size()), gate = skipped, out = skipped;
      kernels::skip_forward(kTokens, width, core.data(), D.data(), scan.v.data(), skipped.data());
      kernels::act_forward(Act::kSilu, n, z.data(), gate.data());
      kernels::gate_forward(n, skipped.data(), gate.data(), out.data());
      append(out, y), append(turned(scan.S, kN, kP), last);

      std::vector<R> dskipped(core.size(), R(0)), dgate = dskipped, mine = dskipped, dv = dskipped,
                                                  ds(raw.size(), R(0)), dg = ds, draw = ds;
      std::vector<R> dS(S0.size(), R(0));
      kernels::gate_backward(n, skipped.data(), gate.data(), ones.data(), R(1), R(1), dskipped.data(), dgate.data());
      kernels::act_backward(Act::kSilu, ActRule::kExact, n, z.data(), dgate.data(), mine.data());
      kernels::skip_backward(kTokens, width, D.data(), scan.v.data(), dskipped.data(), dv.data(), dD.data());
      HeadGrads<R> grads;
      grads.dv = dv.data(), grads.ds = ds.data(), grads.dg = dg.data(), grads.dS = dS.data();
      kernels::glr::head_backward(scan.dims, scan.coeffs(), scan.v.data(), S0.data(), dskipped.data(), grads,
                                  algorithm);
      for (size_t i = 0; i < raw.size(); ++i) {
        dA[i % kHeads] += dg[i] * scan.s[i];
        ds[i] += dg[i] * A[i % kHeads];
      }
      kernels::bias_act_backward(Act::kSoftplus, kTokens, kHeads, raw.data(), bias.data(), ds.data(), draw.data(),
                                 dbias.data());
      append(mine, dz), append(dv, dX), append(draw, ddt), append(turned(dS, kN, kP), dinitial);
    }
    const auto compare = [&](const std::vector<R>& found, const char* name, int64_t per_head) {
      expect_rms(first_head(found, per_head), first_head(c.at(name).values, per_head), name);
    };
    compare(y, "out.y", kP), compare(last, "out.final_states", kP * kN);
    compare(dX, "grad.X", kP), compare(dz, "grad.z", kP), compare(ddt, "grad.dt", 1), compare(dA, "grad.A", 1);
    compare(dD, "grad.D", kP), compare(dbias, "grad.dt_bias", 1), compare(dinitial, "grad.initial_states", kP * kN);
  }
}

// Two sequences of three tokens, one chunk each. Negative steps count as zero; varlen_states start anew with each
// sequence, while y (no seq_idx was given) runs through.
TYPED_TEST(MambaSsmCases, CombinedVarlen) {
  using R = TypeParam;
  const Case c = this->load("ssd_combined", "combined_varlen");
  const std::vector<R> A = c.at("A").template as<R>();
  std::vector<R> y, states, S(kHeads * kN * kP, R(0));
  for (int64_t chunk = 0; chunk < kChunks; ++chunk) {
    Scan<R> scan{{kChunk, kHeads, 1, kN, kP},
                 c.at("C").template strided<R>(chunk * kChunk * kN, 1, kChunk * kN),
                 c.at("B").template strided<R>(chunk * kChunk * kN, 1, kChunk * kN),
                 {},
                 {},
                 c.at("X").template strided<R>(chunk * kChunk * kHeads * kP, 1, kChunk * kHeads * kP),
                 std::vector<R>(S.size(), R(0))};
    for (const R dt : c.at("dt").template strided<R>(chunk * kChunk * kHeads, 1, kChunk * kHeads)) {
      scan.s.push_back(std::max(dt, R(0)));
      scan.g.push_back(scan.s.back() * A[scan.g.size() % kHeads]);
    }
    Scan<R> carried = scan;
    carried.S = S;
    std::fill(carried.v.begin(), carried.v.end(), R(0));
    scan.g = at_most_zero(scan.g);
    std::vector<R> out = scan.run();
    kernels::accumulate(static_cast<int64_t>(out.size()), carried.run().data(), out.data());
    append(out, y);
    append(turned(scan.S, kN, kP), states);
    S = scan.S;
    kernels::accumulate(static_cast<int64_t>(S.size()), carried.S.data(), S.data());
  }
  expect_rms(y, c.at("out.y").values, "y");
  expect_rms(states, c.at("out.varlen_states").values, "varlen_states");
}

}  // namespace
}  // namespace hindscan
