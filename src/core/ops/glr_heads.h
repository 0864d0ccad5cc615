// The coefficients of glr(GlrHeads) as its kernel takes them, and their gradients brought back to the op's inputs.
#pragma once
#include "core/ops/carried.h"
#include "core/ops/glr.h"

namespace hindscan {

template <class R>
struct HeadPass {
  kernels::glr::HeadDims dims{};  // T of the whole pass
  kernels::glr::HeadCoeffs<R> coeffs{};
  const R* v = nullptr;  // [T, R, H, V]
  R* write = nullptr;    // [T, H] two taps: weight of each write in the single-tap form

  int64_t qk() const { return dims.R * dims.G * dims.K; }
  int64_t vw() const { return dims.R * dims.H * dims.V; }
  int64_t gw() const { return coeffs.decay == kernels::glr::DecayShape::kRow ? dims.H * dims.K : dims.H; }
  kernels::glr::HeadDims dims_of(const Segment& s) const {
    kernels::glr::HeadDims d = dims;
    d.T = s.end - s.begin;
    return d;
  }
  kernels::glr::HeadCoeffs<R> at(int64_t t) const {
    const auto step = [t](const R* p, int64_t width) { return p == nullptr ? nullptr : p + t * width; };
    kernels::glr::HeadCoeffs<R> c = coeffs;
    c.q = step(c.q, qk());
    c.k = step(c.k, qk());
    c.g = step(c.g, gw());
    c.s = step(c.s, dims.H);
    c.b = step(c.b, dims.H * dims.K);
    c.c = step(c.c, dims.H * dims.K);
    if (c.read == kernels::glr::Read::kDecayed) c.u = step(c.u, dims.H);
    return c;
  }
  kernels::glr::HeadGrads<R> at(kernels::glr::HeadGrads<R> g, int64_t t) const {
    const auto step = [t](R*& p, int64_t width) {
      if (p != nullptr) p += t * width;
    };
    step(g.dq, qk());
    step(g.dk, qk());
    step(g.dv, vw());
    step(g.dg, gw());
    step(g.ds, dims.H);
    step(g.db, dims.H * dims.K);
    step(g.dc, dims.H * dims.K);
    if (coeffs.read == kernels::glr::Read::kDecayed) step(g.du, dims.H);
    return g;
  }
};

void check_heads(const Ctx& ctx, const GlrHeads& in);

// RWKV-5.1: one number per head, u = exp(bonus) for all its channels.
inline bool bonus_is_log(const GlrHeads& in) { return in.bonus->shape.size() == 1; }

// Fills coeffs; what the op's inputs do not hold as such (scaled q, beta k, single-tap weights) is made in the arena.
template <class R>
HeadPass<R> make_head_pass(const Ctx& ctx, const GlrHeads& in, Arena& arena);

// k_prev v_prev^T of the last token of the pass before, weighted by `previous` of the segment's first token.
template <class R>
struct PreviousWrite {
  const kernels::glr::HeadDims& dims;
  const R* weight;           // [H]
  const R *k_prev, *v_prev;  // [R, G, K], [R, H, V]

  void add_to(R* S) const;  // [H, K, V]
  // dS: adjoint of the state it was added to. Null: not wanted; added to.
  void adjoint(const R* dS, R* dweight, R* dk_prev, R* dv_prev) const;
};

}  // namespace hindscan
