// Rectangles of the implicit attention in float: the value adjoint of unit signals, one column of its state per row of
// alpha. Diagonal transitions cross the tokens between the rectangle and the diagonal by the sum of their log decays.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/glr/head_kernels.h"
#include "kernels/glr/lanes.h"

namespace hindscan::kernels::glr {
namespace {

constexpr int64_t kTileRows = 64;     // rows of alpha computed together
constexpr int64_t kTileTokens = 256;  // tokens of one pass, which bounds the memory of the unit signals

// Tokens [begin, begin + T) of one head as a problem of its own, `columns` values wide.
struct OneHead {
  HeadDims dims;
  std::vector<float> q, k, g, s, b, c, u;
  HeadCoeffs<float> coeffs;
};

OneHead one_head(const HeadDims& d, const HeadCoeffs<float>& c, int64_t h, int64_t begin, int64_t end,
                 int64_t columns) {
  OneHead p;
  p.dims = {end - begin, 1, 1, d.K, columns, d.R};
  const auto take = [&](const float* from, int64_t row, int64_t first, int64_t rows_per_token, int64_t width) {
    std::vector<float> out;
    for (int64_t i = begin * rows_per_token; from && i < end * rows_per_token; ++i) {
      out.insert(out.end(), from + i * row + first, from + i * row + first + width);
    }
    return out;
  };
  const int64_t group = h / (d.H / d.G) * d.K, width = c.decay == DecayShape::kRow ? d.K : 1;
  p.q = take(c.q, d.G * d.K, group, d.R, d.K), p.k = take(c.k, d.G * d.K, group, d.R, d.K);
  p.g = take(c.g, d.H * width, h * width, 1, width), p.s = take(c.s, d.H, h, 1, 1);
  p.b = take(c.b, d.H * d.K, h * d.K, 1, d.K), p.c = take(c.c, d.H * d.K, h * d.K, 1, d.K);
  if (c.u && c.read == Read::kBefore) p.u.assign(c.u + h * d.K, c.u + (h + 1) * d.K);
  if (c.u && c.read == Read::kDecayed) p.u = take(c.u, d.H, h, 1, 1);
  const auto pointer = [](const float* wanted, const std::vector<float>& own) { return wanted ? own.data() : nullptr; };
  p.coeffs = {p.q.data(),        p.k.data(),        c.decay, pointer(c.g, p.g), pointer(c.s, p.s),
              pointer(c.b, p.b), pointer(c.c, p.c), c.read,  pointer(c.u, p.u)};
  return p;
}

// Rows [I.begin, I.end) of alpha (R reads each) of one head; L [K, rows R] is the adjoint of the state after `t`.
struct RowBlock {
  const HeadDims& d;
  const HeadCoeffs<float>& c;
  int64_t h;
  TileRange I;
  std::vector<float> L, dy, dv;

  int64_t columns() const { return (I.end - I.begin) * d.R; }

  // Walks tokens [begin, end) backwards; dv [T, R, rows, R] holds alpha of those columns.
  void walk(int64_t begin, int64_t end) {
    const OneHead p = one_head(d, c, h, begin, end, columns());
    dy.assign(static_cast<size_t>((end - begin) * d.R * columns()), 0.0f);
    dv.assign(dy.size(), 0.0f);
    for (int64_t i = std::max(begin, I.begin); i < std::min(end, I.end); ++i) {
      for (int64_t r = 0; r < d.R; ++r) {
        dy[static_cast<size_t>(((i - begin) * d.R + r) * columns() + (i - I.begin) * d.R + r)] = 1.0f;
      }
    }
    has_rank1(c) ? delta_value_adjoint(p.dims, p.coeffs, dy.data(), L.data(), dv.data())
                 : diagonal_value_adjoint(p.dims, p.coeffs, dy.data(), L.data(), dv.data());
  }

  // The same without looking at what lies there.
  void skip(int64_t begin, int64_t end) {
    if (has_rank1(c)) {
      for (int64_t t = end; t > begin; t = std::max(begin, t - kTileTokens)) walk(std::max(begin, t - kTileTokens), t);
      return;
    }
    if (c.decay == DecayShape::kNone) return;
    const int64_t width = c.decay == DecayShape::kRow ? d.K : 1;
    std::vector<double> log(static_cast<size_t>(width));
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t k = 0; k < width; ++k)
        log[static_cast<size_t>(k)] += static_cast<double>(c.g[(t * d.H + h) * width + k]);
    }
    for (int64_t k = 0; k < d.K; ++k) {
      const float decay = static_cast<float>(std::exp(log[static_cast<size_t>(width == 1 ? 0 : k)]));
      for (int64_t n = 0; n < columns(); ++n) L[static_cast<size_t>(k * columns() + n)] *= decay;
    }
  }
};

struct TileJob {
  const HeadDims& d;
  const HeadCoeffs<float>& c;
  HeadMap map;
  int64_t pair;  // r_out R + r_in, or -1: all
  const HeadTileFold<float>& fold;
  TileRange J;

  float entry(int64_t h, int64_t i, int64_t j, float value) const {
    if (fold.gate) value *= fold.gate[i * d.H + h];
    if (fold.slope) value *= fold.slope[j * d.H + h];
    if (map == HeadMap::kMeanAbs) return std::abs(value);
    return map == HeadMap::kMeanPositive ? std::max(value, 0.0f) : value;
  }

  // Adds the columns [begin, end) that block.dv holds to out [rows, J].
  void add(const RowBlock& block, int64_t begin, int64_t end, float* out) const {
    const int64_t width = J.end - J.begin, columns = block.columns();
    for (int64_t i = block.I.begin; i < block.I.end; ++i) {
      for (int64_t j = begin; j < std::min(end, i + 1); ++j) {
        float sum = 0;
        for (int64_t p = 0; p < d.R * d.R; ++p) {
          if (pair >= 0 && pair != p) continue;
          const int64_t at = ((j - begin) * d.R + p % d.R) * columns + (i - block.I.begin) * d.R + p / d.R;
          sum += entry(block.h, i, j, block.dv[static_cast<size_t>(at)]);
        }
        out[(i - block.I.begin) * width + j - J.begin] += sum;
      }
    }
  }

  // out [rows, J] of one head and rows I, zeros on entry.
  void head_rows(int64_t h, TileRange I, float* out) const {
    RowBlock block{d, c, h, I, {}, {}, {}};
    block.L.assign(static_cast<size_t>(d.K * block.columns()), 0.0f);
    int64_t t = I.end;
    if (t > J.end) {
      const int64_t rows_end = std::max(J.end, I.begin);
      block.walk(rows_end, t);
      if (rows_end > J.end) block.skip(J.end, rows_end);
      t = J.end;
    }
    for (; t > J.begin; t = std::max(J.begin, t - kTileTokens)) {
      const int64_t begin = std::max(J.begin, t - kTileTokens);
      block.walk(begin, t);
      add(block, begin, t, out);
    }
  }
};

}  // namespace

void tile_by_adjoint(const HeadDims& d, const HeadCoeffs<float>& c, HeadMap map, int64_t head, TileRange I, TileRange J,
                     const HeadTileFold<float>& fold, float* out) {
  const bool one = map == HeadMap::kOne;
  const TileJob job{d, c, map, one ? head / d.H : -1, fold, J};
  const int64_t first = one ? head % d.H : 0, heads = one ? 1 : d.H, width = J.end - J.begin;
  const float scale = one ? 1.0f : 1.0f / static_cast<float>(d.H * d.R * d.R);
  std::vector<float> parts;  // [H, rows, J]
  for (int64_t row = I.begin; row < I.end; row += kTileRows) {
    const TileRange rows{row, std::min(I.end, row + kTileRows)};
    const int64_t size = (rows.end - rows.begin) * width;
    parts.assign(static_cast<size_t>(heads * size), 0.0f);
#pragma omp parallel for schedule(dynamic) if (heads > 1 && size * d.K * heads >= kParallelUpdates)
    for (int64_t h = 0; h < heads; ++h) job.head_rows(first + h, rows, parts.data() + h * size);
    for (int64_t i = 0; i < size; ++i) {
      double sum = 0;
      for (int64_t h = 0; h < heads; ++h) sum += static_cast<double>(parts[static_cast<size_t>(h * size + i)]);
      out[(row - I.begin) * width + i] = static_cast<float>(sum) * scale;
    }
  }
}

}  // namespace hindscan::kernels::glr
