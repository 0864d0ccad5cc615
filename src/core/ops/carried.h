// A carried array as ops use it: fetched before a segment, its adjoint passed on after.
#pragma once
#include <algorithm>

#include "core/context.h"

namespace hindscan {

struct CarriedSlot : Carried {
  // What the segment starts from, null for zeros.
  template <class R>
  const R* in(const Ctx& ctx, const Segment& g) const {
    return g.carries_in ? static_cast<const R*>(ctx.state_in(g.seq, *this)) : nullptr;
  }
  // to: zeros or what the segment starts from (to may be that place itself).
  template <class R>
  void load(const Ctx& ctx, const Segment& g, R* to) const {
    copy(in<R>(ctx, g), to);
  }
  // Adjoint of what the segment leaves, null for zeros. By rule: paths that add up behind the
  // op keep one each.
  template <class R>
  const R* adjoint(const Ctx& ctx, const Segment& g, const LocalRule& rule = {}) const {
    if (!g.carries_out) return nullptr;
    return static_cast<const R*>(
        ctx.adjoint_after(g.seq).get(rule.slot(ctx.name_of(*this)), shape.list(), ctx.compute()));
  }
  template <class R>
  void load_adjoint(const Ctx& ctx, const Segment& g, R* to, const LocalRule& rule = {}) const {
    copy(adjoint<R>(ctx, g, rule), to);
  }
  // Adjoint of what the segment started from.
  template <class R>
  void store_adjoint(Ctx& ctx, const Segment& g, const R* from, const LocalRule& rule = {}) const {
    if (!g.carries_in) return;
    SequenceState& to = ctx.adjoint_out[static_cast<size_t>(g.seq)];
    copy(from, static_cast<R*>(to.put(rule.slot(ctx.name_of(*this)), shape.list(), ctx.compute())));
  }

 private:
  template <class R>
  void copy(const R* from, R* to) const {
    if (from == nullptr)
      std::fill_n(to, size(), R(0));
    else if (from != to)
      std::copy_n(from, size(), to);
  }
};

template <class R>
R* zeros(Arena& arena, int64_t n) {
  R* p = arena.array<R>(static_cast<size_t>(n));
  std::fill_n(p, n, R(0));
  return p;
}

}  // namespace hindscan
