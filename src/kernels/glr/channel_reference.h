// The channel recurrence, sequentially, as the formulas say it. R: double, or std::complex<double> for complex steps.
#pragma once
#include <cmath>
#include <vector>

#include "kernels/glr/channel.h"

namespace hindscan::kernels::glr::reference {

// The coefficients at one (token, channel); what is absent is 1 (w, r) or 0 (u).
template <class R>
struct ChannelAt {
  R a, w, r, u;
  ChannelAt(const ChannelCoeffs<R>& c, int64_t at) {
    using std::exp;
    a = exp(c.g[at]);
    w = c.w ? c.w[at] : R(1);
    r = c.r ? c.r[at] : R(1);
    u = c.u && c.read == Read::kBefore ? c.u[at] : R(0);
  }
};

template <class R>
void channel_forward(const ChannelDims& dims, const ChannelCoeffs<R>& c, const R* v, R* S, R* y) {
  const bool before = c.read == Read::kBefore;
  for (int64_t t = 0; t < dims.T; ++t) {
    for (int64_t d = 0; d < dims.D; ++d) {
      const int64_t at = t * dims.D + d;
      const ChannelAt<R> k(c, at);
      const R old = S[d];
      S[d] = k.a * old + k.w * v[at];
      y[at] = before ? k.r * old + k.u * v[at] : k.r * S[d];
    }
  }
}

template <class R>
void channel_backward(const ChannelDims& dims, const ChannelCoeffs<R>& c, const R* v, const R* S0, const R* dy,
                      const ChannelGrads<R>& g) {
  const int64_t T = dims.T, D = dims.D;
  const bool before = c.read == Read::kBefore;
  const auto add = [](R* to, int64_t at, R value) {
    if (to) to[at] += value;
  };
  std::vector<R> states(static_cast<size_t>((T + 1) * D));  // [T + 1, D]
  for (int64_t d = 0; d < D; ++d) states[static_cast<size_t>(d)] = S0[d];
  for (int64_t at = 0; at < T * D; ++at) {
    const ChannelAt<R> k(c, at);
    states[static_cast<size_t>(at + D)] = k.a * states[static_cast<size_t>(at)] + k.w * v[at];
  }
  for (int64_t at = T * D - 1; at >= 0; --at) {
    const ChannelAt<R> k(c, at);
    const R old = states[static_cast<size_t>(at)], now = states[static_cast<size_t>(at + D)];
    R& L = g.dS[at % D];
    add(g.dr, at, dy[at] * (before ? old : now));
    if (!before) L += k.r * dy[at];
    add(g.dw, at, L * v[at]);
    add(g.dv, at, L * k.w + k.u * dy[at]);
    if (before) add(g.du, at, dy[at] * v[at]);
    L *= k.a;
    add(g.dg, at, L * old);
    if (before) L += k.r * dy[at];
  }
}

template <class R>
void channel_row_times(const ChannelDims& dims, const ChannelCoeffs<R>& c, const R* x, R* carry, R* out) {
  const bool before = c.read == Read::kBefore;
  for (int64_t at = dims.T * dims.D - 1; at >= 0; --at) {
    const ChannelAt<R> k(c, at);
    const R in = x ? x[at] : R(0);
    R& L = carry[at % dims.D];
    if (!before) L += k.r * in;
    out[at] = L * k.w + k.u * in;
    L *= k.a;
    if (before) L += k.r * in;
  }
}

}  // namespace hindscan::kernels::glr::reference
