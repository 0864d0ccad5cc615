// The exact adjoint of one group of channels. The states at chunk starts are kept; the chunks are walked backwards:
// recompute the chunk's states and decays, run the adjoint, sum dB and dC over the group's channels once.
#if defined(HINDSCAN_GLR_ELEMENT_BACKWARD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_GLR_ELEMENT_BACKWARD_INL_H_
#undef HINDSCAN_GLR_ELEMENT_BACKWARD_INL_H_
#else
#define HINDSCAN_GLR_ELEMENT_BACKWARD_INL_H_
#endif

#include "kernels/glr/element_backward.h"
#include "kernels/glr/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

// One chunk of one block: inputs and the sums over states, [kChunk, lanes].
struct Panel {
  HWY_ALIGN float dt[kChunk * kMaxLanes];
  HWY_ALIGN float u[kChunk * kMaxLanes];  // dt x
  HWY_ALIGN float dy[kChunk * kMaxLanes];
  HWY_ALIGN float dwrite[kChunk * kMaxLanes];  // adjoint of u
  HWY_ALIGN float ddecay[kChunk * kMaxLanes];  // adjoint of dt through the decay, over ln 2
};

// States and decays of one chunk for a register block of states.
struct History {
  HWY_ALIGN float state[(kChunk + 1) * kStatesBackward * kMaxLanes];  // [kChunk + 1, States, lanes] before the token
  HWY_ALIGN float decay[kChunk * kStatesBackward * kMaxLanes];        // [kChunk, States, lanes]
};

HWY_INLINE void load_panel(const BackwardInput& in, int64_t t0, int64_t tokens, Channels ch, bool with_dy, Panel& p) {
  const Lanes d;
  for (int64_t t = 0; t < tokens; ++t) {
    const int64_t at = (t0 + t) * in.dims.D + ch.first;
    const Vec step = load_channels(in.coeffs.dt + at, ch.count);
    hn::Store(limit_step(step), d, p.dt + t * kLanes);
    hn::Store(hn::Mul(step, load_channels(in.x + at, ch.count)), d, p.u + t * kLanes);
    if (!with_dy) continue;
    hn::Store(load_channels(in.dy + at, ch.count), d, p.dy + t * kLanes);
    hn::Store(hn::Zero(d), d, p.dwrite + t * kLanes);
    hn::Store(hn::Zero(d), d, p.ddecay + t * kLanes);
  }
}

template <int States>
HWY_INLINE void advance(int64_t tokens, int64_t N, const float* rate, const float* B, const Panel& p, const float* from,
                        float* to) {
  const Lanes d;
  Vec s[States];
#pragma GCC unroll 16
  for (int n = 0; n < States; ++n) s[n] = hn::Load(d, from + n * kLanes);
  for (int64_t t = 0; t < tokens; ++t, B += N) {
    const Vec step = hn::Load(d, p.dt + t * kLanes), u = hn::Load(d, p.u + t * kLanes);
#pragma GCC unroll 16
    for (int n = 0; n < States; ++n) {
      s[n] = hn::MulAdd(decay(step, hn::Load(d, rate + n * kLanes)), s[n], hn::Mul(u, hn::Set(d, B[n])));
    }
  }
#pragma GCC unroll 16
  for (int n = 0; n < States; ++n) hn::Store(s[n], d, to + n * kLanes);
}

template <int States>
HWY_INLINE void recompute(int64_t tokens, int64_t N, const float* rate, const float* B, const Panel& p,
                          const float* from, History& h) {
  const Lanes d;
  Vec s[States];
#pragma GCC unroll 16
  for (int n = 0; n < States; ++n) s[n] = hn::Load(d, from + n * kLanes);
  float* state = h.state;
  float* factor = h.decay;
  for (int64_t t = 0; t < tokens; ++t, B += N) {
    const Vec step = hn::Load(d, p.dt + t * kLanes), u = hn::Load(d, p.u + t * kLanes);
#pragma GCC unroll 16
    for (int n = 0; n < States; ++n, state += kLanes, factor += kLanes) {
      const Vec a = decay(step, hn::Load(d, rate + n * kLanes));
      hn::Store(s[n], d, state);
      hn::Store(a, d, factor);
      s[n] = hn::MulAdd(a, s[n], hn::Mul(u, hn::Set(d, B[n])));
    }
  }
#pragma GCC unroll 16
  for (int n = 0; n < States; ++n) hn::Store(s[n], d, state + n * kLanes);
}

template <int States>
HWY_INLINE void reverse(int64_t tokens, int64_t N, const float* rate, const float* B, const float* C, const History& h,
                        Panel& p, float* L, float* dA, float* dB, float* dC) {
  const Lanes d;
  Vec l[States], da[States];
#pragma GCC unroll 16
  for (int n = 0; n < States; ++n) {
    l[n] = hn::Load(d, L + n * kLanes);
    da[n] = hn::Load(d, dA + n * kLanes);
  }
  for (int64_t t = tokens - 1; t >= 0; --t) {
    const Vec step = hn::Load(d, p.dt + t * kLanes), u = hn::Load(d, p.u + t * kLanes);
    const Vec dy = hn::Load(d, p.dy + t * kLanes);
    Vec dwrite = hn::Load(d, p.dwrite + t * kLanes), ddecay = hn::Load(d, p.ddecay + t * kLanes);
    const float* before = h.state + t * States * kLanes;
    const float* after = before + States * kLanes;
    const float* factor = h.decay + t * States * kLanes;
    float* db = dB + t * N * kLanes;
    float* dc = dC + t * N * kLanes;
#pragma GCC unroll 16
    for (int n = 0; n < States; ++n) {
      const int64_t at = n * kLanes;
      const Vec sum = hn::MulAdd(dy, hn::Set(d, C[t * N + n]), l[n]);  // adjoint of S_t
      hn::Store(hn::MulAdd(hn::Load(d, after + at), dy, hn::Load(d, dc + at)), d, dc + at);
      hn::Store(hn::MulAdd(sum, u, hn::Load(d, db + at)), d, db + at);
      dwrite = hn::MulAdd(sum, hn::Set(d, B[t * N + n]), dwrite);
      l[n] = hn::Mul(sum, hn::Load(d, factor + at));
      const Vec dlog = hn::Mul(l[n], hn::Load(d, before + at));  // adjoint of dt A
      ddecay = hn::MulAdd(dlog, hn::Load(d, rate + at), ddecay);
      da[n] = hn::MulAdd(dlog, step, da[n]);
    }
    hn::Store(dwrite, d, p.dwrite + t * kLanes);
    hn::Store(ddecay, d, p.ddecay + t * kLanes);
  }
#pragma GCC unroll 16
  for (int n = 0; n < States; ++n) {
    hn::Store(l[n], d, L + n * kLanes);
    hn::Store(da[n], d, dA + n * kLanes);
  }
}

HWY_INLINE void write_tokens(const BackwardInput& in, const ElementGrads<float>& g, int64_t t0, int64_t tokens,
                             Channels ch, const Panel& p) {
  const Lanes d;
  for (int64_t t = 0; t < tokens; ++t) {
    const int64_t at = (t0 + t) * in.dims.D + ch.first;
    const Vec dwrite = hn::Load(d, p.dwrite + t * kLanes);
    if (g.dx) add_channels(hn::Mul(dwrite, load_channels(in.coeffs.dt + at, ch.count)), ch.count, g.dx + at);
    if (g.ddt_write) add_channels(hn::Mul(dwrite, load_channels(in.x + at, ch.count)), ch.count, g.ddt_write + at);
    if (g.ddt_decay) {
      const Vec ddecay = hn::Mul(hn::Load(d, p.ddecay + t * kLanes), hn::Set(d, 0.69314718f));
      add_channels(ddecay, ch.count, g.ddt_decay + at);
    }
  }
}

// Sums over the lanes of each of `rows` vectors.
HWY_INLINE void sum_lanes(const float* from, int64_t rows, float* to) {
  const Lanes d;
  int64_t r = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<float, 4> quad;
  for (; r + 4 <= rows; r += 4, from += 4 * kLanes) {
    const Vec a = hn::Load(d, from), b = hn::Load(d, from + kLanes);
    const Vec c = hn::Load(d, from + 2 * kLanes), e = hn::Load(d, from + 3 * kLanes);
    const Vec ac = hn::Add(hn::InterleaveLower(d, a, c), hn::InterleaveUpper(d, a, c));
    const Vec be = hn::Add(hn::InterleaveLower(d, b, e), hn::InterleaveUpper(d, b, e));
    HWY_ALIGN float quads[kMaxLanes];  // a b c e, once per 128 bits
    hn::Store(hn::Add(hn::InterleaveLower(d, ac, be), hn::InterleaveUpper(d, ac, be)), d, quads);
    auto sum = hn::Load(quad, quads);
    for (int64_t q = 4; q < kLanes; q += 4) sum = hn::Add(sum, hn::Load(quad, quads + q));
    hn::StoreU(sum, quad, to + r);
  }
#endif
  for (; r < rows; ++r, from += kLanes) to[r] = hn::GetLane(hn::SumOfLanes(d, hn::Load(d, from)));
}

// Channels [group.first, +count) with their partial dB, dC [T, N] (overwritten).
void BackwardGroup(const BackwardInput& in, const ElementGrads<float>& g, Channels group, float* memory, float* dB,
                   float* dC) {
  const int64_t T = in.dims.T, N = in.dims.N;
  const int64_t blocks = block_count(group.count, kLanes), block = N * kLanes;
  const BackwardScratch w(in.dims, kLanes, blocks, memory);
  const int64_t chunks = (T + kChunk - 1) / kChunk;
  Panel p;
  History h;
  const auto channels = [&](int64_t b) {
    Channels ch = channel_block(group.count, kLanes, b);
    ch.first += group.first;
    return ch;
  };
  for (int64_t b = 0; b < blocks; ++b) {
    const Channels ch = channels(b);
    float* rate = w.rate + b * block;
    rates_to_lanes(in.coeffs.A + ch.first * N, N, ch.count, rate);
    to_lanes(g.dS + ch.first * N, N, ch.count, w.adjoint + b * block);
    for (int64_t i = 0; i < block; ++i) w.dA[b * block + i] = 0.0f;
    to_lanes(in.S0 + ch.first * N, N, ch.count, w.checkpoint + b * block);
    for (int64_t k = 0; k + 1 < chunks; ++k) {
      load_panel(in, k * kChunk, kChunk, ch, false, p);
      const float* from = w.checkpoint + (k * blocks + b) * block;
      float* to = w.checkpoint + ((k + 1) * blocks + b) * block;
      for_states<kStates>(N, [&](auto states, int64_t n) HWY_ATTR {
        advance<states>(kChunk, N, rate + n * kLanes, in.coeffs.B + k * kChunk * N + n, p, from + n * kLanes,
                        to + n * kLanes);
      });
    }
  }
  for (int64_t k = chunks - 1; k >= 0; --k) {
    const int64_t t0 = k * kChunk, tokens = HWY_MIN(kChunk, T - t0);
    for (int64_t i = 0; i < tokens * block; ++i) w.dB[i] = w.dC[i] = 0.0f;
    for (int64_t b = 0; b < blocks; ++b) {
      const Channels ch = channels(b);
      load_panel(in, t0, tokens, ch, true, p);
      for_states<kStatesBackward>(N, [&](auto states, int64_t n) HWY_ATTR {
        const int64_t at = n * kLanes;
        const float* rate = w.rate + b * block + at;
        const float* B = in.coeffs.B + t0 * N + n;
        recompute<states>(tokens, N, rate, B, p, w.checkpoint + (k * blocks + b) * block + at, h);
        reverse<states>(tokens, N, rate, B, in.coeffs.C + t0 * N + n, h, p, w.adjoint + b * block + at,
                        w.dA + b * block + at, w.dB + at, w.dC + at);
      });
      write_tokens(in, g, t0, tokens, ch, p);
    }
    sum_lanes(w.dB, tokens * N, dB + t0 * N);
    sum_lanes(w.dC, tokens * N, dC + t0 * N);
  }
  for (int64_t b = 0; b < blocks; ++b) {
    const Channels ch = channels(b);
    from_lanes(w.adjoint + b * block, N, ch.count, g.dS + ch.first * N);
    if (!g.dA) continue;
    for (int64_t l = 0; l < ch.count; ++l) {
      for (int64_t n = 0; n < N; ++n) g.dA[(ch.first + l) * N + n] += w.dA[b * block + n * kLanes + l];
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();
#endif
