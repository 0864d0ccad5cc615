#include "explain/matrix_window.h"

#include <algorithm>

namespace hindscan {

template <class R>
kernels::glr::ElementMixer<R> ElementWindow<R>::mixer() const {
  kernels::glr::ElementMixer<R> m;
  m.gate = gate.empty() ? nullptr : gate.data();
  m.slope = slope.empty() ? nullptr : slope.data();
  m.conv = conv.empty() ? nullptr : conv.data();
  m.K = K;
  return m;
}

template <class R>
static void append_rows(const R* from, int64_t first, int64_t last, int64_t C, std::vector<R>& to) {
  to.insert(to.end(), from + first * C, from + last * C);
}

template <class R>
void ElementWindow<R>::append(Ctx& ctx, const ElementView<R>& view, int64_t first, bool fold) {
  const int64_t from = std::max(begin, first) - first, to = std::min(end, first + view.dims().T) - first;
  if (from >= to) return;
  D = view.dims().D;
  N = view.dims().N;
  A.assign(view.coeffs().A, view.coeffs().A + D * N);
  append_rows(view.coeffs().dt, from, to, D, dt);
  append_rows(view.coeffs().B, from, to, N, B);
  append_rows(view.coeffs().C, from, to, N, C);
  if (!fold) return;
  const MixerOps& ops = view.ops();
  if (ops.gate != MixerOps::npos) append_rows(ctx.data<R>(ctx.nodes()[ops.gate].in[1]), from, to, D, gate);
  if (ops.activation != MixerOps::npos)
    append_rows(frozen_slope<R>(ctx, ctx.nodes()[ops.activation]).data(), from, to, D, slope);
  if (ops.conv == MixerOps::npos) return;
  const Weight& w = *ctx.nodes()[ops.conv].weights[0];
  K = w.shape.back();
  conv.assign(w.as<R>(), w.as<R>() + D * K);
}

template struct ElementWindow<float>;
template struct ElementWindow<double>;

}  // namespace hindscan
