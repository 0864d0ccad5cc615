// Tiles and block sums of the complex element recurrence. Both factor at a token between the columns and the rows, so
// the exponentials between them are taken once of a sum of steps.
#include <algorithm>
#include <cmath>

#include "kernels/glr/element_complex.h"
#include "kernels/glr/element_complex_lane.h"

namespace hindscan::kernels::glr {
namespace {

double mapped(ElementMap map, double alpha) {
  if (map == ElementMap::kMeanAbs) return std::abs(alpha);
  return map == ElementMap::kMeanPositive && alpha < 0 ? 0 : alpha;
}

// f(i, j, alpha) for j <= i of one channel.
template <class R, class F>
void for_entries(const ComplexChannel<R>& ch, Range rows, Range cols, const F& f) {
  const int64_t N = ch.dims.N, width = std::max<int64_t>(0, std::min(cols.end, rows.begin) - cols.begin);
  std::vector<Complex> right(static_cast<size_t>(width * N)), L(static_cast<size_t>(N));  // [cols before the rows, N]
  double steps = 0;  // dt of tokens j + 1 .. rows.begin - 1
  for (int64_t j = rows.begin - 1; j >= cols.begin; --j) {
    for (int64_t n = 0; j < cols.end && n < N; ++n) {
      right[static_cast<size_t>((j - cols.begin) * N + n)] = times(ch.decay(steps, n), ch.dt(j) * ch.B(j, n));
    }
    steps += ch.dt(j);
  }
  for (int64_t i = rows.begin; i < rows.end; ++i) {
    std::fill(L.begin(), L.end(), Complex(0));
    add_read(ch, i, 1.0, L.data());
    for (int64_t j = i; j >= rows.begin; --j) {
      if (j >= cols.begin && j < cols.end) f(i, j, ch.dt(j) * write_weight(ch, j, L.data()));
      move_back(ch, ch.dt(j), L.data());
    }
    for (int64_t m = 0; m < width; ++m) {
      double sum = 0;
      for (int64_t n = 0; n < N; ++n)
        sum += real_times(L[static_cast<size_t>(n)], right[static_cast<size_t>(m * N + n)]);
      f(i, cols.begin + m, sum);
    }
  }
}

// What one block of tokens is to the others, per state.
struct Block {
  std::vector<Complex> wrote, reads, decay;  // [N] state after it for x = 1; weight of the state before it in its sum
  double within = 0;
};

template <class R>
Block summarise(const ComplexChannel<R>& ch, int64_t begin, int64_t end) {
  const size_t N = static_cast<size_t>(ch.dims.N);
  Block b{std::vector<Complex>(N), std::vector<Complex>(N), std::vector<Complex>(N), 0};
  double steps = 0;
  for (int64_t t = end - 1; t >= begin; --t) {
    add_read(ch, t, 1.0, b.reads.data());
    b.within += ch.dt(t) * write_weight(ch, t, b.reads.data());
    move_back(ch, ch.dt(t), b.reads.data());
    steps += ch.dt(t);
  }
  for (int64_t t = begin; t < end; ++t) ch.step(t, 1.0, b.wrote.data());
  for (size_t n = 0; n < N; ++n) b.decay[n] = ch.decay(steps, static_cast<int64_t>(n));
  return b;
}

}  // namespace

template <class R>
void element_complex_tile(const ElementComplexDims& dims, const ElementComplexCoeffs<R>& c, ElementMap map,
                          int64_t channel, Range rows, Range cols, R* tile) {
  const int64_t width = cols.end - cols.begin;
  const bool one = map == ElementMap::kChannel;
  std::vector<double> sum(static_cast<size_t>((rows.end - rows.begin) * width), 0.0);  // [rows, cols]
  for (int64_t d = one ? channel : 0; d < (one ? channel + 1 : dims.D); ++d) {
    for_entries(ComplexChannel<R>{dims, c, d}, rows, cols, [&](int64_t i, int64_t j, double alpha) {
      sum[static_cast<size_t>((i - rows.begin) * width + j - cols.begin)] += mapped(map, alpha);
    });
  }
  const double scale = one ? 1.0 : 1.0 / static_cast<double>(dims.D);
  for (size_t i = 0; i < sum.size(); ++i) tile[i] = static_cast<R>(sum[i] * scale);
}

template <class R>
void element_complex_block_sums(const ElementComplexDims& dims, const ElementComplexCoeffs<R>& c, int64_t channel,
                                const int64_t* edges, int64_t blocks, R* out) {
  const bool one = channel >= 0;
  std::vector<double> sum(static_cast<size_t>(blocks * blocks), 0.0);  // [blocks, blocks]
  for (int64_t d = one ? channel : 0; d < (one ? channel + 1 : dims.D); ++d) {
    std::vector<Block> parts;
    for (int64_t p = 0; p < blocks; ++p)
      parts.push_back(summarise(ComplexChannel<R>{dims, c, d}, edges[p], edges[p + 1]));
    for (int64_t q = 0; q < blocks; ++q) {
      sum[static_cast<size_t>(q * blocks + q)] += parts[static_cast<size_t>(q)].within;
      std::vector<Complex> state = parts[static_cast<size_t>(q)].wrote;  // [N]
      for (int64_t p = q + 1; p < blocks; ++p) {
        const Block& b = parts[static_cast<size_t>(p)];
        for (size_t n = 0; n < state.size(); ++n) {
          sum[static_cast<size_t>(p * blocks + q)] += real_times(b.reads[n], state[n]);
          state[n] = times(b.decay[n], state[n]);
        }
      }
    }
  }
  const double scale = one ? 1.0 : 1.0 / static_cast<double>(dims.D);
  for (size_t i = 0; i < sum.size(); ++i) out[i] = static_cast<R>(sum[i] * scale);
}

#define HS_INSTANTIATE(R)                                                                                            \
  template void element_complex_tile(const ElementComplexDims&, const ElementComplexCoeffs<R>&, ElementMap, int64_t, \
                                     Range, Range, R*);                                                              \
  template void element_complex_block_sums(const ElementComplexDims&, const ElementComplexCoeffs<R>&, int64_t,       \
                                           const int64_t*, int64_t, R*)
HS_INSTANTIATE(float);
HS_INSTANTIATE(double);

}  // namespace hindscan::kernels::glr
