// Channel recurrences over a pass: pointers at a token.
#pragma once
#include <limits>

#include "core/ops/carried.h"

namespace hindscan {

template <class R>
kernels::glr::ChannelCoeffs<R> at_token(kernels::glr::ChannelCoeffs<R> c, int64_t D, int64_t t) {
  const auto step = [&](const R*& p) {
    if (p != nullptr) p += t * D;
  };
  step(c.g);
  step(c.w);
  step(c.r);
  step(c.u);
  return c;
}

template <class R>
kernels::glr::ChannelGrads<R> at_token(kernels::glr::ChannelGrads<R> g, int64_t D, int64_t t) {
  const auto step = [&](R*& p) {
    if (p != nullptr) p += t * D;
  };
  step(g.dv);
  step(g.dg);
  step(g.dw);
  step(g.dr);
  step(g.du);
  return g;
}

// A running maximum that starts at -inf where nothing was seen; a sequence that saw nothing leaves no slot.
template <class R>
bool load_maximum(const Ctx& ctx, const CarriedSlot& slot, const Segment& g, R* m) {
  const R* from = slot.in<R>(ctx, g);
  if (from == nullptr)
    std::fill_n(m, slot.size(), -std::numeric_limits<R>::infinity());
  else
    std::copy_n(from, slot.size(), m);
  return g.carries_out && (from != nullptr || g.end > g.begin);
}

}  // namespace hindscan
