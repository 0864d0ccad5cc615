// A slot of the carried state as mixers use it: fetched before a segment, its adjoint passed on after.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "core/context.h"

namespace hindscan {

struct CarriedSlot {
  std::string name;
  std::vector<int64_t> shape;

  int64_t size() const {
    int64_t n = 1;
    for (int64_t d : shape) n *= d;
    return n;
  }
  // What the segment starts from, null for zeros.
  template <class R>
  const R* in(const Ctx& ctx, const Segment& g) const {
    return g.carries_in ? static_cast<const R*>(ctx.state_in(g.seq, name, shape)) : nullptr;
  }
  // to: zeros or what the segment starts from (to may be that place itself).
  template <class R>
  void load(const Ctx& ctx, const Segment& g, R* to) const {
    const R* from = in<R>(ctx, g);
    if (from == nullptr)
      std::fill_n(to, size(), R(0));
    else if (from != to)
      std::copy_n(from, size(), to);
  }
  // Adjoint of what the segment leaves, null for zeros.
  template <class R>
  const R* adjoint(const Ctx& ctx, const Segment& g) const {
    return g.carries_out
               ? static_cast<const R*>(ctx.adjoint_in[static_cast<size_t>(g.seq)].get(name, shape, ctx.compute()))
               : nullptr;
  }
  template <class R>
  void load_adjoint(const Ctx& ctx, const Segment& g, R* to) const {
    const R* from = adjoint<R>(ctx, g);
    if (from == nullptr)
      std::fill_n(to, size(), R(0));
    else
      std::copy_n(from, size(), to);
  }
  // Adjoint of what the segment started from.
  template <class R>
  void store_adjoint(Ctx& ctx, const Segment& g, const R* from) const {
    if (g.carries_in)
      std::copy_n(from, size(),
                  static_cast<R*>(ctx.adjoint_out[static_cast<size_t>(g.seq)].put(name, shape, ctx.compute())));
  }
};

template <class R>
R* zeros(Arena& arena, int64_t n) {
  R* p = arena.array<R>(static_cast<size_t>(n));
  std::fill_n(p, n, R(0));
  return p;
}

}  // namespace hindscan
