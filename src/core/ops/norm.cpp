// Role norm: y = (x - mean) * scale * w + bias by groups of channels. Adjoint: exact, or with the scale held while the
// centring of LayerNorm stays linear; the bias adds to bias_share. Or every element keeps its relevance.
#include "core/ops/norm.h"

#include "core/ops/linear_product.h"
#include "core/ops/relevance.h"
#include "kernels/pointwise_group_norm.h"

namespace hindscan::ops {

Var rmsnorm(Ctx& ctx, const Weight* w, Var x, double eps) {
  const int64_t T = ctx.rows(x), C = ctx.cols(x);
  check(w == nullptr || w->size() == C, ErrorCode::kData, "[rmsnorm] {} must be [{}]", w == nullptr ? "" : w->name, C);
  const Var out = ctx.make_like(x, C);  // [T, C]
  ctx.with_real([&]<class R>(R) {
    R* rstd = ctx.arena().array<R>(static_cast<size_t>(T));  // [T]
    const R* wv = w == nullptr ? nullptr : w->as<R>();
    kernels::rmsnorm_forward(T, C, ctx.data<R>(x), wv, R(eps), ctx.data<R>(out), rstd);
    ctx.check_norm(x, w, T, rstd);
    if (!ctx.record(Role::kNorm, {x}, out, {w})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule& rule) {
      if (rule.relevance)
        return keep_relevance(T * C, rule.epsilon, ctx.data<R>(x), ctx.data<R>(out), ctx.grad<R>(out), ctx.grad<R>(x));
      R* dw = rule.weights && w != nullptr ? ctx.options().grads->of<R>(*w) : nullptr;
      kernels::rmsnorm_backward(T, C, ctx.data<R>(x), wv, rstd, ctx.grad<R>(out), !rule.coefficient, ctx.grad<R>(x),
                                dw);
    });
  });
  return out;
}

static kernels::NormKind kernel_kind(NormOptions::Kind kind) {
  switch (kind) {
    case NormOptions::Kind::kRms:
      return kernels::NormKind::kRms;
    case NormOptions::Kind::kLayer:
      return kernels::NormKind::kLayer;
    case NormOptions::Kind::kL2Inside:
      return kernels::NormKind::kL2Inside;
    case NormOptions::Kind::kL2Max:
      return kernels::NormKind::kL2Max;
  }
  return kernels::NormKind::kRms;
}

Var norm(Ctx& ctx, const NormOptions& o, const Weight* w, const Weight* bias, Var x) {
  const int64_t T = ctx.rows(x), C = ctx.cols(x);
  check(o.groups > 0 && C > 0 && C % o.groups == 0, ErrorCode::kData,
        "[norm] expected the channels to be a multiple of {} groups, found {}", o.groups, C);
  kernels::GroupNormShape shape{kernel_kind(o.kind), T, C, o.groups, o.one_plus, 0};
  for (const Weight* p : {w, bias}) {
    if (p == nullptr) continue;
    const int64_t n = p->size();
    check(n == C || n == shape.n(), ErrorCode::kData, "[norm] {} must be [{}] or [{}] but is [{}]", p->name, C,
          shape.n(), fmt::join(p->shape, ", "));
    check(shape.w_size == 0 || shape.w_size == n, ErrorCode::kData, "[norm] {} and its bias differ in size", w->name);
    shape.w_size = n;
  }
  if (o.kind == NormOptions::Kind::kRms && o.groups == 1 && !o.one_plus && bias == nullptr)
    return rmsnorm(ctx, w, x, o.eps);
  const Var out = ctx.make_like(x, C);  // [T, C]
  ctx.with_real([&]<class R>(R) {
    R* mean = ctx.arena().array<R>(static_cast<size_t>(T * o.groups));   // [T, groups]
    R* scale = ctx.arena().array<R>(static_cast<size_t>(T * o.groups));  // [T, groups]
    const R *wv = w == nullptr ? nullptr : w->as<R>(), *bv = bias == nullptr ? nullptr : bias->as<R>();
    kernels::group_norm_forward(shape, o.eps, ctx.data<R>(x), wv, bv, ctx.data<R>(out), mean, scale);
    ctx.check_norm(x, w, T * o.groups, scale);
    if (!ctx.record(Role::kNorm, {x}, out, {w, bias})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule& rule) {
      const R* dy = ctx.grad<R>(out);
      if (rule.relevance)
        return keep_relevance(T * C, rule.epsilon, ctx.data<R>(x), ctx.data<R>(out), dy, ctx.grad<R>(x));
      R* dw = rule.weights && w != nullptr ? ctx.options().grads->of<R>(*w) : nullptr;
      const bool frozen = !rule.coefficient;
      kernels::group_norm_backward(shape, o.eps, ctx.data<R>(x), wv, mean, scale, dy, frozen, ctx.grad<R>(x), dw,
                                   static_cast<R*>(nullptr));
      if (bias != nullptr) bias_backward(ctx, *bias, 0, T * C / shape.w_size, shape.w_size, dy, rule);
    });
  });
  return out;
}

}  // namespace hindscan::ops
