// Role scale: by one number, or by a weight for each channel. The adjoint is the transpose under every rule.
#include "core/context.h"
#include "kernels/parallel.h"

namespace hindscan {

Var Ctx::scale(double factor, Var x) {
  const int64_t n = rows(x) * cols(x);
  const Var out = make_like(x, cols(x));  // [T, C]
  with_real([&]<class R>(R) {
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
    axpy(n, data<R>(x), data<R>(out), false);
    if (!record(Role::kScale, {x}, out, {})) return;
    set_adjoint([=, this](const LocalRule&) {
      bool accumulate = false;
      R* dx = grad_target<R>(x, &accumulate);
      axpy(n, grad<R>(out), dx, accumulate);
    });
  });
  return out;
}

Var Ctx::channel_scale(const Weight& w, Var x) {
  const int64_t T = rows(x), C = cols(x);
  check(w.size() == C, ErrorCode::kData, "[channel_scale] {} must be [{}] but is [{}]", w.name, C,
        fmt::join(w.shape, ", "));
  const Var out = make_like(x, C);  // [T, C]
  with_real([&]<class R>(R) {
    kernels::skip_forward(T, C, static_cast<const R*>(nullptr), w.as<R>(), data<R>(x), data<R>(out));
    if (!record(Role::kScale, {x}, out, {&w})) return;
    set_adjoint([=, this, &w](const LocalRule& rule) {
      kernels::skip_backward(T, C, w.as<R>(), data<R>(x), grad<R>(out), grad<R>(x),
                             rule.weights ? options_.grads->of<R>(w) : nullptr);
    });
  });
  return out;
}

}  // namespace hindscan
