// Roles skip and bypass: D x, or a signal itself, on the way around the core. Adjoint: the value path, where the rules
// leave it on; what D x carries is kept apart as skip_share.
#include "core/ops/skip.h"

#include <cstring>

namespace hindscan::ops {

Var beside(Ctx& ctx, Var x) {
  const int64_t n = ctx.rows(x) * ctx.cols(x);
  const Var out = ctx.make_like(x, ctx.cols(x));  // [T, C]
  ctx.with_real([&]<class R>(R) {
    std::memcpy(ctx.data<R>(out), ctx.data<R>(x), static_cast<size_t>(n) * sizeof(R));
    if (!ctx.record(Role::kBeside, {x}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule& rule) {
      if (rule.signal) kernels::accumulate(n, ctx.grad<R>(out), ctx.grad<R>(x));
    });
  });
  return out;
}

Var skip(Ctx& ctx, const Weight& d, Var base, Var x) {
  const int64_t T = ctx.rows(x), C = ctx.cols(x), n = d.size();
  check(n > 0 && C % n == 0, ErrorCode::kData, "[skip] {} must be [{}] or one number per head, but is [{}]", d.name, C,
        fmt::join(d.shape, ", "));
  const int64_t repeat = C / n;
  const Var out = ctx.make_like(x, C);  // [T, C]
  ctx.with_real([&]<class R>(R) {
    const R* dv = d.as<R>();  // [C]
    if (repeat > 1) {
      R* wide = ctx.arena().array<R>(static_cast<size_t>(C));
      for (int64_t c = 0; c < C; ++c) wide[c] = dv[c / repeat];
      dv = wide;
    }
    kernels::skip_forward(T, C, ctx.data<R>(base), dv, ctx.data<R>(x), ctx.data<R>(out));
    if (!ctx.record(Role::kSkip, {base, x}, out, {&d})) return;
    ctx.set_adjoint([=, &ctx, &d](const LocalRule& rule) {
      const R* dy = ctx.grad<R>(out);
      kernels::accumulate(T * C, dy, ctx.grad<R>(base));
      if (!rule.value) return;
      const R* xv = ctx.data<R>(x);
      for (int64_t t = 0; t < T; ++t) {
        double sum = 0;
        for (int64_t c = 0; c < C; ++c) sum += static_cast<double>(dv[c]) * xv[t * C + c] * dy[t * C + c];
        ctx.skip_share += sum;
      }
      R* dd = rule.weights ? ctx.options().grads->of<R>(d) : nullptr;
      if (dd == nullptr || repeat == 1) return kernels::skip_backward(T, C, dv, xv, dy, ctx.grad<R>(x), dd);
      const ArenaScope scope(ctx.scratch());
      R* sums = ctx.scratch().array<R>(static_cast<size_t>(C));  // [C]
      std::memset(sums, 0, static_cast<size_t>(C) * sizeof(R));
      kernels::skip_backward(T, C, dv, xv, dy, ctx.grad<R>(x), sums);
      for (int64_t c = 0; c < C; ++c) dd[c / repeat] += sums[c];
    });
  });
  return out;
}

}  // namespace hindscan::ops
