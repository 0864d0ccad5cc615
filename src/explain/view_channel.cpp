// Channel structure: RG-LRU, HGRN, RWKV-4 (divided by its carried denominator).
#include <algorithm>
#include <cmath>

#include "explain/views.h"

namespace hindscan {

namespace glr = kernels::glr;

template <class R>
ChannelView<R>::ChannelView(const Ctx& ctx, const MixerScope& scope, size_t core)
    : MixerView<R>(ctx, scope, core), d_(static_cast<const ChannelDetail<R>&>(*ctx.nodes()[core].mixer)) {
  this->kind = "glr.channel";
  if (d_.divisor != nullptr) this->notes = "normaliser frozen";
  state_ = static_cast<const R*>(ctx.state_in(0, d_.state, d_.state_shape));
}

template <class R>
static glr::ChannelCoeffs<R> coeffs_at(const glr::ChannelCoeffs<R>& c, int64_t at) {
  const auto step = [at](const R* p) { return p == nullptr ? nullptr : p + at; };
  return {c.g + at, step(c.w), step(c.r), c.read, step(c.u)};
}

template <class R>
void ChannelView<R>::times(const R* w, RowCarry<R>& carry, R* out) const {
  const int64_t T = d_.dims.T, D = d_.dims.D;
  std::vector<R> x(static_cast<size_t>(w == nullptr ? 0 : T * D));  // [T, D]
  for (size_t i = 0; i < x.size(); ++i) {
    const R weight = w[static_cast<int64_t>(i) / D];
    x[i] = weight == R(0) ? R(0) : d_.divisor == nullptr ? weight : weight / d_.divisor[i];
  }
  this->each_segment_back(carry.numbers, static_cast<size_t>(D), [&](const Segment& g, size_t, R* S) {
    glr::channel_row_times({g.end - g.begin, D}, coeffs_at(d_.coeffs, g.begin * D),
                           x.empty() ? nullptr : x.data() + g.begin * D, S, out + g.begin * D);
  });
}

template <class R>
void ChannelView<R>::row(const R* w, RowCarry<R>& carry, R* out, double* missing) const {
  times(w, carry, out);
  const int64_t D = d_.dims.D;
  for (int64_t i = 0; i < d_.dims.T * D; ++i)
    missing[i % D] -= static_cast<double>(out[i]) * static_cast<double>(d_.v[i]);
}

template <class R>
void ChannelView<R>::add_carried_in(const RowCarry<R>& carry, double* out) const {
  for (int64_t d = 0; state_ != nullptr && d < d_.dims.D; ++d)
    out[d] += static_cast<double>(carry.numbers[static_cast<size_t>(d)]) * static_cast<double>(state_[d]);
}

template <class R>
void ChannelView<R>::row_times_mean(const R* r, RowCarry<R>& carry, R* out) const {
  const int64_t T = d_.dims.T, D = d_.dims.D;
  std::vector<R> rows(static_cast<size_t>(T * D));  // [T, D]
  times(r, carry, rows.data());
  for (int64_t t = 0; t < T; ++t) {
    double sum = 0;
    for (int64_t d = 0; d < D; ++d) sum += static_cast<double>(rows[static_cast<size_t>(t * D + d)]);
    out[t] = static_cast<R>(sum / static_cast<double>(D));
  }
}

template <class R>
void ChannelView<R>::weighted_output(const R* w, double* out) const {
  const int64_t D = d_.dims.D;
  std::fill_n(out, D, 0.0);
  for (int64_t t = 0; t < d_.dims.T; ++t) {
    for (int64_t d = 0; w[t] != R(0) && d < D; ++d)
      out[d] += static_cast<double>(w[t]) * static_cast<double>(d_.y[t * D + d]);
  }
}

template <class R>
void ChannelView<R>::forward_residual(std::vector<double>& S, double* residual) const {
  const int64_t D = d_.dims.D;
  const auto& c = d_.coeffs;
  if (S.empty()) {
    S.assign(static_cast<size_t>(D), 0.0);
    if (state_ != nullptr) std::copy(state_, state_ + D, S.begin());
  }
  using Wide = long double;  // of a double pass too, the residual is not its own rounding
  const auto value = [](const R* p, int64_t i) { return p == nullptr ? Wide{1} : Wide{p[i]}; };
  for (const Segment& g : this->segments_) {
    if (!g.carries_in) std::fill(S.begin(), S.end(), 0.0);
    for (int64_t t = g.begin; t < g.end; ++t) {
      double error = 0, norm = 0;
      for (int64_t d = 0; d < D; ++d) {
        const int64_t i = t * D + d;
        const Wide before = S[static_cast<size_t>(d)], v = d_.v[i];
        const Wide state = (before == 0 ? 0 : std::exp(Wide{c.g[i]}) * before) + value(c.w, i) * v;
        S[static_cast<size_t>(d)] = static_cast<double>(state);
        Wide y = value(c.r, i) * (c.read == glr::Read::kAfter ? state : before);
        if (c.read == glr::Read::kBefore && c.u != nullptr) y += Wide{c.u[i]} * v;
        y /= value(d_.divisor, i);
        const auto off = static_cast<double>(y - Wide{d_.y[i]}), ref = static_cast<double>(y);
        error += off * off;
        norm += ref * ref;
      }
      residual[t] = error == 0 ? 0 : std::sqrt(error / norm);
    }
  }
}

template class ChannelView<float>;
template class ChannelView<double>;

}  // namespace hindscan
