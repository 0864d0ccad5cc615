// Role norm: y = (x - mean) * scale * w + bias by groups of channels. Adjoint: exact, or with the scale held while the
// centring of LayerNorm stays linear; the bias adds to bias_share. Or every element keeps its relevance.
#include "core/context.h"
#include "core/ops/relevance.h"
#include "kernels/pointwise_group_norm.h"

namespace hindscan {

Var Ctx::rmsnorm(const Weight* w, Var x, double eps) {
  const int64_t T = rows(x), C = cols(x);
  check(w == nullptr || w->size() == C, ErrorCode::kData, "[rmsnorm] {} must be [{}]", w == nullptr ? "" : w->name, C);
  const Var out = make_like(x, C);  // [T, C]
  with_real([&]<class R>(R) {
    R* rstd = arena_->array<R>(static_cast<size_t>(T));  // [T]
    const R* wv = w == nullptr ? nullptr : w->as<R>();
    kernels::rmsnorm_forward(T, C, data<R>(x), wv, R(eps), data<R>(out), rstd);
    check_norm(x, w, T, rstd);
    if (!record(Role::kNorm, {x}, out, {w})) return;
    set_adjoint([=, this](const LocalRule& rule) {
      if (rule.relevance)
        return keep_relevance(T * C, rule.epsilon, data<R>(x), data<R>(out), grad<R>(out), grad<R>(x));
      R* dw = rule.weights && w != nullptr ? options_.grads->of<R>(*w) : nullptr;
      kernels::rmsnorm_backward(T, C, data<R>(x), wv, rstd, grad<R>(out), !rule.coefficient, grad<R>(x), dw);
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

Var Ctx::norm(const NormOptions& o, const Weight* w, const Weight* bias, Var x) {
  const int64_t T = rows(x), C = cols(x);
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
  if (o.kind == NormOptions::Kind::kRms && o.groups == 1 && !o.one_plus && bias == nullptr) return rmsnorm(w, x, o.eps);
  const Var out = make_like(x, C);  // [T, C]
  with_real([&]<class R>(R) {
    R* mean = arena_->array<R>(static_cast<size_t>(T * o.groups));   // [T, groups]
    R* scale = arena_->array<R>(static_cast<size_t>(T * o.groups));  // [T, groups]
    const R *wv = w == nullptr ? nullptr : w->as<R>(), *bv = bias == nullptr ? nullptr : bias->as<R>();
    kernels::group_norm_forward(shape, o.eps, data<R>(x), wv, bv, data<R>(out), mean, scale);
    check_norm(x, w, T * o.groups, scale);
    if (!record(Role::kNorm, {x}, out, {w, bias})) return;
    set_adjoint([=, this](const LocalRule& rule) {
      const R* dy = grad<R>(out);
      if (rule.relevance) return keep_relevance(T * C, rule.epsilon, data<R>(x), data<R>(out), dy, grad<R>(x));
      R* dw = rule.weights && w != nullptr ? options_.grads->of<R>(*w) : nullptr;
      const bool frozen = !rule.coefficient;
      kernels::group_norm_backward(shape, o.eps, data<R>(x), wv, mean, scale, dy, frozen, grad<R>(x), dw,
                                   static_cast<R*>(nullptr));
      if (bias != nullptr) bias_backward(*bias, 0, T * C / shape.w_size, shape.w_size, dy, rule);
    });
  });
  return out;
}

}  // namespace hindscan
