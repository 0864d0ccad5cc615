// Groups of channels as separate calls: their columns of [T, D] data are gathered, run, and scattered back.
#include "kernels/glr/element_grouped.h"

#include <algorithm>
#include <vector>

namespace hindscan::kernels::glr {
namespace {

// [rows, count] of a [rows, width] array from column `first`; empty when there is none.
template <class R>
std::vector<R> gather(const R* from, int64_t rows, int64_t width, int64_t first, int64_t count) {
  std::vector<R> out;
  if (!from) return out;
  out.resize(static_cast<size_t>(rows * count));
  for (int64_t r = 0; r < rows; ++r) std::copy_n(from + r * width + first, count, out.begin() + r * count);
  return out;
}

template <class R>
void scatter(const std::vector<R>& from, int64_t rows, int64_t width, int64_t first, int64_t count, R* to) {
  for (int64_t r = 0; to && r < rows; ++r) std::copy_n(from.begin() + r * count, count, to + r * width + first);
}

template <class R>
R* pointer(std::vector<R>& v) {
  return v.empty() ? nullptr : v.data();
}

// One group's problem.
template <class R>
struct Group {
  int64_t g, first;  // its first channel
  ElementDims dims;
  std::vector<R> dt, B, C;
  ElementCoeffs<R> c;

  Group(const ElementDims& all, int64_t G, const ElementCoeffs<R>& from, int64_t index)
      : g(index),
        first(index * (all.D / G)),
        dims{all.T, all.D / G, all.N},
        dt(gather(from.dt, all.T, all.D, first, dims.D)),
        B(gather(from.B, all.T, G * all.N, g * all.N, all.N)),
        C(gather(from.C, all.T, G * all.N, g * all.N, all.N)),
        c{dt.data(), from.A + first * all.N, B.data(), C.data()} {}
  std::vector<R> channels(const R* from, int64_t D) const { return gather(from, dims.T, D, first, dims.D); }
};

}  // namespace

template <class R>
void element_grouped_forward(const ElementDims& dims, int64_t G, const ElementCoeffs<R>& c, const R* x, R* S, R* y) {
  for (int64_t g = 0; g < G; ++g) {
    const Group<R> one(dims, G, c, g);
    const std::vector<R> in = one.channels(x, dims.D);
    std::vector<R> out(in.size());
    element_forward(one.dims, one.c, in.data(), S + one.first * dims.N, out.data());
    scatter(out, dims.T, dims.D, one.first, one.dims.D, y);
  }
}

template <class R>
void element_grouped_backward(const ElementDims& dims, int64_t G, const ElementCoeffs<R>& c, const R* x, const R* S0,
                              const R* dy, const ElementGrads<R>& grads) {
  const int64_t D = dims.D, N = dims.N, T = dims.T;
  for (int64_t g = 0; g < G; ++g) {
    const Group<R> one(dims, G, c, g);
    const int64_t state = one.first * N;
    const std::vector<R> in = one.channels(x, D), signal = one.channels(dy, D);
    const bool same = grads.ddt_write == grads.ddt_decay;
    std::vector<R> dx = one.channels(grads.dx, D), write = one.channels(grads.ddt_write, D);
    std::vector<R> decay = one.channels(same ? nullptr : grads.ddt_decay, D);
    std::vector<R> dB = gather<R>(grads.dB, T, G * N, g * N, N), dC = gather<R>(grads.dC, T, G * N, g * N, N);
    const ElementGrads<R> mine{pointer(dx),
                               pointer(write),
                               same ? pointer(write) : pointer(decay),
                               grads.dA ? grads.dA + state : nullptr,
                               pointer(dB),
                               pointer(dC),
                               grads.dS + state};
    element_backward(one.dims, one.c, in.data(), S0 + state, signal.data(), mine);
    scatter(dx, T, D, one.first, one.dims.D, grads.dx);
    scatter(write, T, D, one.first, one.dims.D, grads.ddt_write);
    if (!same) scatter(decay, T, D, one.first, one.dims.D, grads.ddt_decay);
    scatter(dB, T, G * N, g * N, N, grads.dB);
    scatter(dC, T, G * N, g * N, N, grads.dC);
  }
}

template <class R>
void element_grouped_value_adjoint(const ElementDims& dims, int64_t G, const ElementCoeffs<R>& c, const R* dy, R* L,
                                   R* dx) {
  for (int64_t g = 0; g < G; ++g) {
    const Group<R> one(dims, G, c, g);
    const std::vector<R> signal = one.channels(dy, dims.D);
    std::vector<R> out = one.channels(dx, dims.D);
    element_value_adjoint(one.dims, one.c, signal.data(), L + one.first * dims.N, out.data());
    scatter(out, dims.T, dims.D, one.first, one.dims.D, dx);
  }
}

template <class R>
void element_grouped_row(const ElementDims& dims, int64_t G, const ElementCoeffs<R>& c, int64_t t, R* row, R* L) {
  for (int64_t g = 0; g < G; ++g) {
    const Group<R> one(dims, G, c, g);
    std::vector<R> out(static_cast<size_t>((t + 1) * one.dims.D));
    element_row(one.dims, one.c, t, out.data(), L + one.first * dims.N);
    scatter(out, t + 1, dims.D, one.first, one.dims.D, row);
  }
}

template <class R>
void element_grouped_tile(const ElementDims& dims, int64_t G, const ElementCoeffs<R>& c, ElementMap map,
                          int64_t channel, Range rows, Range cols, const ElementMixer<R>& mixer, R* tile) {
  const int64_t cells = std::max<int64_t>(0, rows.end - rows.begin) * std::max<int64_t>(0, cols.end - cols.begin);
  const bool single = map == ElementMap::kChannel;
  const int64_t per_group = dims.D / G;
  std::fill(tile, tile + cells, R(0));
  std::vector<R> part(static_cast<size_t>(cells));
  for (int64_t g = single ? channel / per_group : 0; g < (single ? channel / per_group + 1 : G); ++g) {
    const Group<R> one(dims, G, c, g);
    const std::vector<R> gate = one.channels(mixer.gate, dims.D), slope = one.channels(mixer.slope, dims.D);
    const ElementMixer<R> mine{mixer.gate ? gate.data() : nullptr, mixer.slope ? slope.data() : nullptr,
                               mixer.conv ? mixer.conv + one.first * mixer.K : nullptr, mixer.K};
    element_tile(one.dims, one.c, map, single ? channel - one.first : 0, rows, cols, mine, part.data());
    for (size_t i = 0; i < part.size(); ++i) tile[i] += single ? part[i] : part[i] / static_cast<R>(G);
  }
}

template <class R>
void element_grouped_block_sums(const ElementDims& dims, int64_t G, const ElementCoeffs<R>& c, int64_t channel,
                                const int64_t* edges, int64_t blocks, R* out) {
  const int64_t per_group = dims.D / G, cells = blocks * blocks;
  const bool single = channel >= 0;
  std::fill(out, out + cells, R(0));
  std::vector<R> part(static_cast<size_t>(cells));
  for (int64_t g = single ? channel / per_group : 0; g < (single ? channel / per_group + 1 : G); ++g) {
    const Group<R> one(dims, G, c, g);
    element_block_sums(one.dims, one.c, single ? channel - one.first : -1, edges, blocks, part.data());
    for (size_t i = 0; i < part.size(); ++i) out[i] += single ? part[i] : part[i] / static_cast<R>(G);
  }
}

#define HS_INSTANTIATE(R)                                                                                              \
  template void element_grouped_forward(const ElementDims&, int64_t, const ElementCoeffs<R>&, const R*, R*, R*);       \
  template void element_grouped_backward(const ElementDims&, int64_t, const ElementCoeffs<R>&, const R*, const R*,     \
                                         const R*, const ElementGrads<R>&);                                            \
  template void element_grouped_value_adjoint(const ElementDims&, int64_t, const ElementCoeffs<R>&, const R*, R*, R*); \
  template void element_grouped_row(const ElementDims&, int64_t, const ElementCoeffs<R>&, int64_t, R*, R*);            \
  template void element_grouped_tile(const ElementDims&, int64_t, const ElementCoeffs<R>&, ElementMap, int64_t, Range, \
                                     Range, const ElementMixer<R>&, R*);                                               \
  template void element_grouped_block_sums(const ElementDims&, int64_t, const ElementCoeffs<R>&, int64_t,              \
                                           const int64_t*, int64_t, R*)
HS_INSTANTIATE(float);
HS_INSTANTIATE(double);

}  // namespace hindscan::kernels::glr
