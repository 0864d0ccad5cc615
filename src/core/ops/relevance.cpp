#include "core/ops/relevance.h"

#include <algorithm>

#include "kernels/gemm.h"
#include "kernels/pointwise.h"

namespace hindscan {

template <class R>
void keep_relevance(int64_t n, double epsilon, const R* x, const R* y, const R* dy, R* dx) {
  const R eps = static_cast<R>(epsilon);
  for (int64_t i = 0; i < n; ++i) dx[i] += dy[i] * (y[i] / (x[i] + (x[i] < 0 ? -eps : eps)));
}

template <class R>
LinearMap<R> dense_map(int64_t rows, int64_t in, int64_t out, const R* w, const R* bias) {
  return {rows * in,
          rows * out,
          out * in,
          w,
          bias,
          out,
          [=](const R* weights, const R* x, R* y) {
            kernels::gemm({rows, out, in, false, true}, x, in, weights, in, R(0), y, out);
          },
          [=](const R* weights, const R* dy, R* dx) {
            kernels::gemm({rows, in, out, false, false}, dy, out, weights, in, R(0), dx, in);
          }};
}

template <class R>
LinearMap<R> block_map(int64_t rows, int64_t heads, int64_t in, int64_t out, const R* w, const R* bias) {
  const int64_t wide_in = heads * in, wide_out = heads * out;
  return {rows * wide_in,
          rows * wide_out,
          heads * in * out,
          w,
          bias,
          wide_out,
          [=](const R* weights, const R* x, R* y) {
            for (int64_t h = 0; h < heads; ++h) {
              kernels::gemm({rows, out, in, false, false}, x + h * in, wide_in, weights + h * in * out, out, R(0),
                            y + h * out, wide_out);
            }
          },
          [=](const R* weights, const R* dy, R* dx) {
            for (int64_t h = 0; h < heads; ++h) {
              kernels::gemm({rows, in, out, false, true}, dy + h * out, wide_out, weights + h * in * out, out, R(0),
                            dx + h * in, wide_in);
            }
          }};
}

namespace {

// The positive and the negative part of an array.
template <class R>
struct Parts {
  R *up, *down;
  Parts(int64_t n, const R* x, Arena& scratch)
      : up(scratch.array<R>(static_cast<size_t>(n))), down(scratch.array<R>(static_cast<size_t>(n))) {
    for (int64_t i = 0; i < n; ++i) {
      up[i] = std::max(x[i], R(0));
      down[i] = std::min(x[i], R(0));
    }
  }
};

template <class R>
R same_sign(R value, R of) {
  return of > 0 ? std::max(value, R(0)) : std::min(value, R(0));
}

// y_j + gamma (the parts of y_j that have its sign, the bias among them), for gamma > 0.
template <class R>
R* raised(const LinearMap<R>& map, R gamma, const Parts<R>& w, const R* x, const R* y, Arena& scratch) {
  const size_t n = static_cast<size_t>(map.outputs);
  R *d = scratch.array<R>(n), *above = scratch.array<R>(n);  // as y
  const Parts<R> in(map.inputs, x, scratch);
  map.apply(w.up, in.up, above);
  map.apply(w.down, in.down, d);
  for (int64_t j = 0; j < map.outputs; ++j) {
    const R bias = map.bias == nullptr ? R(0) : map.bias[j % map.channels];
    const R positive = above[j] + d[j], negative = y[j] - bias - positive;
    d[j] = y[j] + gamma * ((y[j] > 0 ? positive : negative) + same_sign(bias, y[j]));
  }
  return d;
}

// dx += gamma (what the weights of x_i w_ij with the sign of y_j carry); plain: W^T s.
template <class R>
void add_raised(const LinearMap<R>& map, R gamma, const Parts<R>& w, const R* x, const R* s, const R* y, const R* plain,
                Arena& scratch, R* dx) {
  const size_t n_in = static_cast<size_t>(map.inputs), n_out = static_cast<size_t>(map.outputs);
  R *of_up = scratch.array<R>(n_out), *of_down = scratch.array<R>(n_out);
  for (int64_t j = 0; j < map.outputs; ++j) {
    of_up[j] = y[j] > 0 ? s[j] : R(0);
    of_down[j] = y[j] > 0 ? R(0) : s[j];
  }
  R *positive = scratch.array<R>(n_in), *more = scratch.array<R>(n_in);  // for x > 0; for x < 0 the rest of plain
  map.transposed(w.up, of_up, positive);
  map.transposed(w.down, of_down, more);
  for (int64_t i = 0; i < map.inputs; ++i) {
    const R carried = positive[i] + more[i];
    if (x[i] != 0) dx[i] += gamma * (x[i] > 0 ? carried : plain[i] - carried);
  }
}

}  // namespace

template <class R>
double share_relevance(const LinearMap<R>& map, const LocalRule& rule, const R* x, const R* y, const R* dy,
                       Arena& scratch, R* dx) {
  const ArenaScope scope(scratch);
  const R gamma = static_cast<R>(rule.gamma), eps = static_cast<R>(rule.epsilon);
  const bool raises = gamma > 0;
  const Parts<R> w(raises ? map.weights : 0, map.w, scratch);
  const R* d = raises ? raised(map, gamma, w, x, y, scratch) : y;
  R* s = scratch.array<R>(static_cast<size_t>(map.outputs));
  double of_bias = 0;
  for (int64_t j = 0; j < map.outputs; ++j) {
    const R below = d[j] + (y[j] < 0 ? -eps : eps);
    s[j] = y[j] == 0 ? R(0) : dy[j] * (y[j] / below);
    if (map.bias == nullptr) continue;
    const R b = map.bias[j % map.channels];
    of_bias += static_cast<double>(s[j]) * static_cast<double>(b + gamma * same_sign(b, y[j]));
  }
  R* plain = scratch.array<R>(static_cast<size_t>(map.inputs));  // W^T s
  map.transposed(map.w, s, plain);
  kernels::accumulate(map.inputs, plain, dx);
  if (raises) add_raised(map, gamma, w, x, s, y, plain, scratch, dx);
  return of_bias;
}

#define HS_INSTANTIATE(R)                                                                     \
  template void keep_relevance<R>(int64_t, double, const R*, const R*, const R*, R*);         \
  template LinearMap<R> dense_map<R>(int64_t, int64_t, int64_t, const R*, const R*);          \
  template LinearMap<R> block_map<R>(int64_t, int64_t, int64_t, int64_t, const R*, const R*); \
  template double share_relevance<R>(const LinearMap<R>&, const LocalRule&, const R*, const R*, const R*, Arena&, R*);
HS_INSTANTIATE(float)
HS_INSTANTIATE(double)
#undef HS_INSTANTIATE

}  // namespace hindscan
