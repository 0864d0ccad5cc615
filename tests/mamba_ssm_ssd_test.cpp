// The published pieces of the official mamba_ssm package's SSD (chunk products, cumulative decays, chunk states, state
// passing, chunk scan) as calls of the head recurrence on one chunk. The GPU kernels multiply in TF32: RMS ratio 1e-2.
// Where a case has A > 0 they hold the decay inside a chunk at 1.
#include "mamba_ssm_ssd.h"

#include "kernels/gemm.h"
#include "kernels/pointwise.h"

namespace hindscan {
namespace {

using kernels::Act;
using kernels::glr::HeadGrads;

TYPED_TEST_SUITE(MambaSsmCases, Reals);

// [batch, H, chunks, chunk] at one chunk as [chunk, H].
template <class R>
std::vector<R> chunk_of(const Tensor& x, int64_t b, int64_t chunk) {
  std::vector<R> out;
  for (int64_t t = 0; t < kChunk; ++t) {
    for (const R v : x.strided<R>(b * kHeads * kTokens + chunk * kChunk + t, kTokens, kHeads)) out.push_back(v);
  }
  return out;
}

// Log decays of single tokens from their sums within a chunk, [chunk, H].
template <class R>
std::vector<R> differences(std::vector<R> sums) {
  for (size_t i = sums.size(); i-- > kHeads;) sums[i] -= sums[i - kHeads];
  return sums;
}

// One chunk of B, C, x as a Scan; s = dt.
template <class R>
Scan<R> chunk_scan(const Case& c, int64_t b, int64_t chunk) {
  const int64_t token = b * kTokens + chunk * kChunk;
  Scan<R> scan{{kChunk, kHeads, 1, kN, kP}, {}, {}, {}, {}, {}, {}};
  scan.k = c.at("B").strided<R>(token * kN, 1, kChunk * kN);
  scan.q = c.has("C") ? c.at("C").strided<R>(token * kN, 1, kChunk * kN) : scan.k;
  scan.g = differences(chunk_of<R>(c.at("dA_cumsum"), b, chunk));
  scan.s = chunk_of<R>(c.at("dt"), b, chunk);
  scan.v = c.at("x").strided<R>(token * kHeads * kP, 1, kChunk * kHeads * kP);
  scan.S.assign(kHeads * kN * kP, R(0));
  return scan;
}

// [chunk, chunk] products C B^T of each chunk (and group); pairs of different sequences are zero.
TYPED_TEST(MambaSsmCases, ChunkProducts) {
  using R = TypeParam;
  for (const auto& [name, G] : {std::pair{"basic", int64_t{1}}, {"causal_seq", int64_t{1}}, {"grouped", int64_t{2}}}) {
    SCOPED_TRACE(name);
    const Case c = this->load("ssd_bmm", name);
    const std::vector<R> a = c.at("a").template as<R>(), b = c.at("b").template as<R>();
    std::vector<R> out = poison<R>(c.at("out.out").values.size());  // [batch, chunks, G, chunk, chunk]
    for (int64_t i = 0; i < kBatch * kChunks * G; ++i) {
      const int64_t token = i / G * kChunk, at = (token * G + i % G) * kN;
      R* product = out.data() + i * kChunk * kChunk;
      kernels::gemm({kChunk, kChunk, kN, false, true}, a.data() + at, G * kN, b.data() + at, G * kN, R(0), product,
                    kChunk);
      for (int64_t p = 0; c.has("seq_idx") && p < kChunk * kChunk; ++p) {
        const std::vector<double>& sequence = c.at("seq_idx").values;
        if (sequence[static_cast<size_t>(token + p / kChunk)] != sequence[static_cast<size_t>(token + p % kChunk)])
          product[p] = 0;
      }
    }
    expect_rms(out, c.at("out.out").values, "out");
  }
}

// dt = softplus(dt + bias), or dt held in [0.01, 1]; the sum of dt A within a chunk is the log of what is left of a
// state of one, read after each token.
TYPED_TEST(MambaSsmCases, ChunkSumsOfDecay) {
  using R = TypeParam;
  for (const auto& [name, softplus] : {std::pair{"chunk_cumsum", true}, {"chunk_cumsum_clamped", false}}) {
    SCOPED_TRACE(name);
    const Case c = this->load("ssd_components", name);
    const std::vector<R> raw = c.at("dt").template as<R>(), A = c.at("A").template as<R>();
    std::vector<R> dt = raw, dt_out = poison<R>(raw.size()), sums = dt_out;
    if (softplus) {
      kernels::bias_act_forward(Act::kSoftplus, kBatch * kTokens, kHeads, raw.data(),
                                c.at("dt_bias").template as<R>().data(), dt.data());
    } else {
      for (R& v : dt) v = std::min(std::max(v, R(0.01)), R(1));
    }
    for (int64_t b = 0; b < kBatch; ++b) {
      for (int64_t chunk = 0; chunk < kChunks; ++chunk) {
        const std::vector<R> ones(kChunk * kHeads, R(1));
        Scan<R> scan{{kChunk, kHeads, kHeads, 1, 1},    ones,        ones, {}, {},
                     std::vector<R>(ones.size(), R(0)), {R(1), R(1)}};
        for (int64_t i = 0; i < kChunk * kHeads; ++i) {
          scan.g.push_back(dt[static_cast<size_t>((b * kTokens + chunk * kChunk) * kHeads + i)] *
                           A[static_cast<size_t>(i % kHeads)]);
        }
        const std::vector<R> left = scan.run();
        for (int64_t i = 0; i < kChunk * kHeads; ++i) {
          const size_t to = static_cast<size_t>((b * kHeads + i % kHeads) * kTokens + chunk * kChunk + i / kHeads);
          sums[to] = std::log(left[static_cast<size_t>(i)]);
          dt_out[to] = dt[static_cast<size_t>((b * kTokens + chunk * kChunk) * kHeads + i)];
        }
      }
    }
    expect_close(dt_out, c.at("out.dt_out"), "dt");
    expect_close(sums, c.at("out.dA_cumsum"), "dA_cumsum");
  }
}

// What a chunk writes: its last state from zero; gradients of the sum of all states.
TYPED_TEST(MambaSsmCases, ChunkStates) {
  using R = TypeParam;
  const Case c = this->load("ssd_components", "chunk_state");
  std::vector<R> states, dx, dB, ddt = poison<R>(c.at("dt").values.size()), dsums = ddt;
  for (int64_t b = 0; b < kBatch; ++b) {
    for (int64_t chunk = 0; chunk < kChunks; ++chunk) {
      Scan<R> scan = chunk_scan<R>(c, b, chunk);
      scan.g = at_most_zero(scan.g);
      const std::vector<R> S0 = scan.S, zero(scan.v.size(), R(0));
      scan.run();
      append(turned(scan.S, kN, kP), states);
      std::vector<R> dk(scan.k.size(), R(0)), dv = zero, dg(scan.g.size(), R(0)), ds = dg, dS(scan.S.size(), R(1));
      HeadGrads<R> grads;
      grads.dk = dk.data(), grads.dv = dv.data(), grads.dg = dg.data(), grads.ds = ds.data(), grads.dS = dS.data();
      kernels::glr::head_backward(scan.dims, scan.coeffs(), scan.v.data(), S0.data(), zero.data(), grads);
      append(dv, dx), append(dk, dB);
      for (int64_t i = 0; i < kChunk * kHeads; ++i) {
        const size_t from = static_cast<size_t>(i),
                     to = static_cast<size_t>((b * kHeads + i % kHeads) * kTokens + chunk * kChunk + i / kHeads);
        ddt[to] = ds[from];
        dsums[to] = dg[from] - (i + kHeads < kChunk * kHeads ? dg[from + kHeads] : R(0));  // g is a difference of sums
      }
    }
  }
  expect_rms(states, c.at("out.states").values, "states");
  expect_rms(dx, c.at("grad.x").values, "x");
  expect_rms(dB, c.at("grad.B").values, "B");
  expect_rms(ddt, c.at("grad.dt").values, "dt");
  expect_rms(dsums, c.at("grad.dA_cumsum").values, "dA_cumsum");
}

// States across chunks: a recurrence over chunks with one key, read before the write. Gradients of the sum of those
// reads.
TYPED_TEST(MambaSsmCases, StatePassing) {
  using R = TypeParam;
  const Case c = this->load("ssd_components", "state_passing");
  const int64_t size = kP * kN;
  std::vector<R> passed, last, dstates, dlast;
  for (int64_t b = 0; b < kBatch; ++b) {
    Scan<R> scan{
        {kChunks, kHeads, 1, 1, size}, std::vector<R>(kChunks, R(1)), std::vector<R>(kChunks, R(1)), {}, {}, {}, {}};
    scan.v = c.at("states").template strided<R>(b * kChunks * kHeads * size, 1, kChunks * kHeads * size);
    for (int64_t t = 0; t < kChunks; ++t) {
      append(c.at("dA_last").template strided<R>(b * kHeads * kChunks + t, kChunks, kHeads), scan.g);
    }
    scan.S.assign(static_cast<size_t>(kHeads * size), R(0));
    const std::vector<R> S0 = scan.S, ones(scan.v.size(), R(1));
    append(scan.run(Algorithm::kAuto, Read::kBefore), passed);
    append(scan.S, last);
    std::vector<R> dv(scan.v.size(), R(0)), dg(scan.g.size(), R(0)), dS = S0;
    HeadGrads<R> grads;
    grads.dv = dv.data(), grads.dg = dg.data(), grads.dS = dS.data();
    kernels::glr::head_backward(scan.dims, scan.coeffs(Read::kBefore), scan.v.data(), S0.data(), ones.data(), grads);
    append(dv, dstates), append(dg, dlast);
  }
  expect_close(passed, c.at("out.states_passed"), "states_passed");
  expect_close(last, c.at("out.final_states"), "final_states");
  expect_close(dstates, c.at("grad.states"), "states");
  ASSERT_FALSE(dlast.empty() || c.at("grad.dA_last").values.empty());
  for (const R v : dlast) EXPECT_EQ(v, R(0));  // no read sees a decayed state
  for (const double v : c.at("grad.dA_last").values) EXPECT_EQ(v, 0);
}

// y of one chunk, D and gate: what the given state still says, plus the chunk from zero.
TYPED_TEST(MambaSsmCases, ChunkScan) {
  using R = TypeParam;
  for (const char* name : {"chunk_scan_matrix_D_z", "chunk_scan_vector_D"}) {
    SCOPED_TRACE(name);
    const Case c = this->load("ssd_components", name);
    std::vector<R> y, D = c.at("D").template as<R>();
    for (int64_t b = 0; b < kBatch; ++b) {
      for (int64_t chunk = 0; chunk < kChunks; ++chunk) {
        Scan<R> scan = chunk_scan<R>(c, b, chunk), state = scan;
        state.S = state_of<R>(c.at("states"), b * kChunks + chunk);
        std::fill(state.v.begin(), state.v.end(), R(0));
        scan.g = at_most_zero(scan.g);
        std::vector<R> out = scan.run();
        kernels::accumulate(static_cast<int64_t>(out.size()), state.run().data(), out.data());
        append(out, y);
      }
    }
    if (D.size() == kHeads) D = {D[0], D[0], D[0], D[1], D[1], D[1]};  // [H] -> [H, P]
    const std::vector<R> x = c.at("x").template as<R>();
    std::vector<R> with_skip = poison<R>(y.size()), gate = with_skip;
    kernels::skip_forward(kBatch * kTokens, kHeads * kP, y.data(), D.data(), x.data(), with_skip.data());
    if (c.has("z")) {
      kernels::act_forward(Act::kSilu, static_cast<int64_t>(y.size()), c.at("z").template as<R>().data(), gate.data());
      y = with_skip;
      kernels::gate_forward(static_cast<int64_t>(y.size()), y.data(), gate.data(), with_skip.data());
    }
    expect_rms(with_skip, c.at("out.y").values, "y");
  }
}

}  // namespace
}  // namespace hindscan
