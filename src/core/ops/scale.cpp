// Role scale: by one number, or by a weight for each channel. The adjoint is the transpose under every rule.
#include "core/ops/scale.h"

#include "kernels/parallel.h"

namespace hindscan::ops {

Var scale(Ctx& ctx, double factor, Var x) {
  const int64_t n = ctx.rows(x) * ctx.cols(x);
  const Var out = ctx.make_like(x, ctx.cols(x));  // [T, C]
  ctx.with_real([&]<class R>(R) {
    const R f = static_cast<R>(factor);
    const auto axpy = [f](int64_t count, const R* from, R* to, bool add) {
      kernels::for_elements(count, [&](int64_t b, int64_t e) {
        if (add) {
          for (int64_t i = b; i < e; ++i) to[i] += f * from[i];
        } else {
          for (int64_t i = b; i < e; ++i) to[i] = f * from[i];
        }
      });
    };
    axpy(n, ctx.data<R>(x), ctx.data<R>(out), false);
    if (!ctx.record(Role::kScale, {x}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule&) {
      bool accumulate = false;
      R* dx = ctx.grad_target<R>(x, &accumulate);
      axpy(n, ctx.grad<R>(out), dx, accumulate);
    });
  });
  return out;
}

Var channel_scale(Ctx& ctx, const Weight& w, Var x) {
  const int64_t T = ctx.rows(x), C = ctx.cols(x);
  check(w.size() == C, ErrorCode::kData, "[channel_scale] {} must be [{}] but is [{}]", w.name, C,
        fmt::join(w.shape, ", "));
  const Var out = ctx.make_like(x, C);  // [T, C]
  ctx.with_real([&]<class R>(R) {
    kernels::skip_forward(T, C, static_cast<const R*>(nullptr), w.as<R>(), ctx.data<R>(x), ctx.data<R>(out));
    if (!ctx.record(Role::kScale, {x}, out, {&w})) return;
    ctx.set_adjoint([=, &ctx, &w](const LocalRule& rule) {
      kernels::skip_backward(T, C, w.as<R>(), ctx.data<R>(x), ctx.grad<R>(out), ctx.grad<R>(x),
                             rule.weights ? ctx.options().grads->of<R>(w) : nullptr);
    });
  });
  return out;
}

}  // namespace hindscan::ops
