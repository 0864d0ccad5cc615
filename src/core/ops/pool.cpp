// Role pool: one row a sequence. Adjoint: the transpose; of the maximum, with the chosen rows held (its exact
// derivative).
#include "core/ops/pool.h"

#include "core/ops/layouts.h"

namespace hindscan::ops {

Var pool(Ctx& ctx, Pool kind, Var x) {
  const int64_t C = ctx.cols(x);
  const std::vector<int64_t> cu = ctx.layout(x).cu;
  const int64_t B = static_cast<int64_t>(cu.size()) - 1;
  for (int64_t b = 0; b < B; ++b) {
    check(cu[static_cast<size_t>(b) + 1] > cu[static_cast<size_t>(b)], ErrorCode::kUsage,
          "[pool] sequence {} is empty; give it a token", b);
  }
  const int made = ctx.add_layout(cut_layout(static_cast<size_t>(B), 1, {}));
  const Var out = ctx.make(B, C, made);  // [B, C]
  ctx.with_real([&]<class R>(R) {
    int64_t* chosen = kind == Pool::kMax ? ctx.arena().array<int64_t>(static_cast<size_t>(B * C))
                                         : nullptr;  // [B, C] row of the maximum
    const R* xv = ctx.data<R>(x);
    R* y = ctx.data<R>(out);
    for (int64_t b = 0; b < B; ++b) {
      const int64_t begin = cu[static_cast<size_t>(b)], end = cu[static_cast<size_t>(b) + 1];
      for (int64_t c = 0; c < C; ++c) {
        if (kind == Pool::kFirst || kind == Pool::kLast) {
          y[b * C + c] = xv[(kind == Pool::kFirst ? begin : end - 1) * C + c];
        } else if (kind == Pool::kMax) {
          int64_t best = begin;
          for (int64_t t = begin + 1; t < end; ++t) best = xv[t * C + c] > xv[best * C + c] ? t : best;
          chosen[b * C + c] = best;
          y[b * C + c] = xv[best * C + c];
        } else {
          double sum = 0;
          for (int64_t t = begin; t < end; ++t) sum += static_cast<double>(xv[t * C + c]);
          y[b * C + c] = static_cast<R>(sum / static_cast<double>(end - begin));
        }
      }
    }
    if (!ctx.record(Role::kPool, {x}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule&) {
      const R* dy = ctx.grad<R>(out);
      R* dx = ctx.grad<R>(x);
      for (int64_t b = 0; b < B; ++b) {
        const int64_t begin = cu[static_cast<size_t>(b)], end = cu[static_cast<size_t>(b) + 1];
        const R share = R(1) / static_cast<R>(end - begin);
        for (int64_t c = 0; c < C; ++c) {
          const R g = dy[b * C + c];
          if (kind == Pool::kFirst)
            dx[begin * C + c] += g;
          else if (kind == Pool::kLast)
            dx[(end - 1) * C + c] += g;
          else if (kind == Pool::kMax)
            dx[chosen[b * C + c] * C + c] += g;
          else
            for (int64_t t = begin; t < end; ++t) dx[t * C + c] += share * g;
        }
      }
    });
  });
  return out;
}

}  // namespace hindscan::ops
