// Role skip, as data: what the current token adds beside the recurrence, y = base + (sum over the head of q u k) v.
// Adjoint: base always; v is the value path, q the read and k the write path; under frozen rules q and k are constants.
#include "core/ops/skip.h"

namespace hindscan::ops {

namespace {

template <class R>
struct Rows {
  int64_t T, H, d;
  const R *q, *k, *v;  // [T, H*d]
  const R* u;          // [H, d]

  R weight(int64_t t, int64_t h) const {  // of token t's own value
    const int64_t at = (t * H + h) * d;
    R sum = 0;
    for (int64_t i = 0; i < d; ++i) sum += q[at + i] * u[h * d + i] * k[at + i];
    return sum;
  }
};

template <class R>
struct RowGrads {
  R *q, *k, *v, *u;  // null: not wanted
};

template <class R>
void rows_forward(const Rows<R>& in, const R* base, R* y) {
  for (int64_t t = 0; t < in.T; ++t) {
    for (int64_t h = 0; h < in.H; ++h) {
      const R w = in.weight(t, h);
      const int64_t at = (t * in.H + h) * in.d;
      for (int64_t i = at; i < at + in.d; ++i) y[i] = base[i] + w * in.v[i];
    }
  }
}

template <class R>
void coefficient_backward(const Rows<R>& in, int64_t at, int64_t h, R dw, const RowGrads<R>& out) {
  const R* u = in.u + h * in.d;
  for (int64_t i = 0; i < in.d; ++i) {
    if (out.q != nullptr) out.q[at + i] += dw * u[i] * in.k[at + i];
    if (out.k != nullptr) out.k[at + i] += dw * u[i] * in.q[at + i];
    if (out.u != nullptr) out.u[h * in.d + i] += dw * in.q[at + i] * in.k[at + i];
  }
}

// Returns <weight v, dy>.
template <class R>
double rows_backward(const Rows<R>& in, const R* dy, const RowGrads<R>& out) {
  double share = 0;
  for (int64_t t = 0; t < in.T; ++t) {
    for (int64_t h = 0; h < in.H; ++h) {
      const R w = in.weight(t, h);
      const int64_t at = (t * in.H + h) * in.d;
      R dw = 0;
      for (int64_t i = at; i < at + in.d; ++i) dw += in.v[i] * dy[i];
      share += static_cast<double>(w) * static_cast<double>(dw);
      for (int64_t i = at; out.v != nullptr && i < at + in.d; ++i) out.v[i] += w * dy[i];
      coefficient_backward(in, at, h, dw, out);
    }
  }
  return share;
}

}  // namespace

Var skip(Ctx& ctx, const CurrentToken& in, Var base) {
  const int64_t T = ctx.rows(in.v), C = ctx.cols(in.v), H = in.heads;
  check(C % H == 0 && ctx.cols(in.q) == C && ctx.cols(in.k) == C && ctx.cols(base) == C && in.u->size() == C,
        ErrorCode::kData,
        "[skip] expected {} heads and q, k, v, base and {} of {} channels, found {}, {}, {}, {} and [{}]", H,
        in.u->name, C, ctx.cols(in.q), ctx.cols(in.k), C, ctx.cols(base), fmt::join(in.u->shape, ", "));
  const Var out = ctx.make_like(in.v, C);  // [T, H*d]
  ctx.with_real([&]<class R>(R) {
    const Rows<R> x{T, H, C / H, ctx.data<R>(in.q), ctx.data<R>(in.k), ctx.data<R>(in.v), in.u->as<R>()};
    rows_forward(x, ctx.data<R>(base), ctx.data<R>(out));
    if (!ctx.record(Role::kSkip, {base, in.v, in.q, in.k}, out, {in.u})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule& rule) {
      kernels::accumulate(T * C, ctx.grad<R>(out), ctx.grad<R>(base));
      if (!rule.any_input()) return;
      const RowGrads<R> to{rule.read ? ctx.grad<R>(in.q) : nullptr, rule.write ? ctx.grad<R>(in.k) : nullptr,
                           rule.value ? ctx.grad<R>(in.v) : nullptr,
                           rule.weights ? ctx.options().grads->of<R>(*in.u) : nullptr};
      const double share = rows_backward(x, ctx.grad<R>(out), to);
      if (rule.value) ctx.skip_share += share;
    });
  });
  return out;
}

}  // namespace hindscan::ops
