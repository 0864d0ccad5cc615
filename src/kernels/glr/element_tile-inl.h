// A sub-tile, channel by channel, columns in lanes. Off the diagonal it is a product of rank N around a reference
// token; on the diagonal the rectangle is halved until it is small enough to propagate directly.
#if defined(HINDSCAN_GLR_ELEMENT_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HINDSCAN_GLR_ELEMENT_TILE_INL_H_
#undef HINDSCAN_GLR_ELEMENT_TILE_INL_H_
#else
#define HINDSCAN_GLR_ELEMENT_TILE_INL_H_
#endif

#include "kernels/glr/element_product-inl.h"
#include "kernels/glr/element_tile.h"
#include "kernels/glr/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

// One channel of a sub-tile: its running sums of dt and where the sub-tile adds up.
struct TileChannel {
  const TileJob& job;
  const TileScratch& w;
  int64_t d;
  const float* rate;  // [N], padded
  int64_t row_at;     // where the rows' sums begin in w.line; the columns' begin at 0
  float* tile;        // [rows, kTileStride]

  double sum_at_row(int64_t i) const { return w.line[row_at + i - job.rows.begin]; }
  double sum_at_col(int64_t j) const { return w.line[j - job.cols.begin]; }

  float gate(int64_t i) const { return job.mixer.gate ? job.mixer.gate[i * job.dims.D + d] : 1.0f; }
  float dt(int64_t t) const { return job.c.dt[t * job.dims.D + d]; }
};

// Rows x cols with cols.end + taps - 2 <= rows.begin, as U^T V around the last column that the convolution reads.
HWY_INLINE void off_diagonal(const TileChannel& ch, Range rows, Range cols) {
  const Lanes lanes;
  const TileJob& job = ch.job;
  const int64_t N = job.dims.N, taps = job.taps(), wide = TileScratch::wide(taps);
  const int64_t r = rows.begin - job.rows.begin, c = cols.begin - job.cols.begin;  // in the sub-tile
  const int64_t height = rows.end - rows.begin, width = cols.end - cols.begin, read = width + taps - 1;
  const double reference = ch.sum_at_col(cols.begin + read - 1);
  HWY_ALIGN float sums[kTile + kMaxLanes] = {}, gate[kTile + kMaxLanes] = {};
  for (int64_t i = 0; i < height; ++i) {
    sums[i] = HWY_MIN(static_cast<float>(ch.sum_at_row(rows.begin + i) - reference), kLimit);
    gate[i] = ch.gate(rows.begin + i);
  }
  const int64_t tall = (height + 15) / 16 * 16;
  factor(N, ch.rate, ch.w.CT + r, kTile, gate, sums, height, tall, ch.w.U, kTile);
  float* behind = ch.w.row;  // [wide]
  for (int64_t j = 0; j < wide; ++j) {
    behind[j] = j < read ? HWY_MIN(static_cast<float>(reference - ch.sum_at_col(cols.begin + j)), kLimit) : 0.0f;
  }
  const int64_t padded = (read + 15) / 16 * 16;
  factor(N, ch.rate, ch.w.BT + c, wide, ch.w.scale + c, behind, read, padded, ch.w.V, wide);
  const float* V = ch.w.V;
  if (job.mixer.conv) {
    const float* conv = job.mixer.conv + ch.d * taps;
    V = ch.w.mix;
    for (int64_t n = 0; n < N; ++n) {
      for (int64_t m = 0; m < width; m += kLanes) {
        Vec sum = hn::Zero(lanes);
        for (int64_t k = 0; k < taps; ++k) {
          sum = hn::MulAdd(hn::LoadU(lanes, ch.w.V + n * wide + m + k), hn::Set(lanes, conv[taps - 1 - k]), sum);
        }
        hn::StoreU(sum, lanes, ch.w.mix + n * wide + m);
      }
      for (int64_t m = width; m < width + kMaxLanes; ++m) ch.w.mix[n * wide + m] = 0.0f;
    }
  }
  constexpr int kWide = kLanes == 16 ? 4 : 2;
  float* tile = ch.tile + r * kTileStride + c;
  int64_t m = 0;
  for (; m + (kWide - 1) * kLanes < width; m += kWide * kLanes) {
    multiply<kWide>(job.map, N, height, ch.w.U, V + m, wide, tile + m);
  }
  for (; m < width; m += kLanes) multiply<1>(job.map, N, height, ch.w.U, V + m, wide, tile + m);
}

// A small rectangle that meets the diagonal: the contribution of every column, moved on token by token.
HWY_INLINE void diagonal(const TileChannel& ch, Range rows, Range cols) {
  const Lanes lanes;
  const TileJob& job = ch.job;
  const int64_t N = job.dims.N, taps = job.taps(), wide = TileScratch::wide(taps);
  const int64_t read = HWY_MIN(cols.end + taps - 1, rows.end) - cols.begin;  // columns that a row can see
  const int64_t padded = (HWY_MAX(read, cols.end - cols.begin) + taps + 15) / 16 * 16;
  float* state = ch.w.mix;  // [N, wide] dt_j B_j moved on to the present token
  for (int64_t n = 0; n < N; ++n) {
    for (int64_t j = 0; j < padded; ++j) state[n * wide + j] = 0.0f;
  }
  for (int64_t j = 0; j < padded; ++j) ch.w.row[j] = 0.0f;
  const int64_t c = cols.begin - job.cols.begin;
  for (int64_t i = cols.begin; i < rows.end; ++i) {
    const int64_t now = i - cols.begin;
    const float scale = now < read ? ch.w.scale[c + now] : 0.0f;
    const Vec step = limit_step(hn::Set(lanes, ch.dt(i)));
    HWY_ALIGN float factors[kMaxStates + kMaxLanes];  // [N]
    for (int64_t n = 0; n < N; n += kLanes) hn::Store(decay(step, hn::LoadU(lanes, ch.rate + n)), lanes, factors + n);
    for (int64_t j = 0; j <= HWY_MIN(now, read - 1); j += kLanes) {
      const auto is_now = hn::Eq(hn::Iota(lanes, static_cast<float>(j)), hn::Set(lanes, static_cast<float>(now)));
      Vec sum = hn::Zero(lanes);
      for (int64_t n = 0; n < N; ++n) {
        float* at = state + n * wide + j;
        const Vec moved = hn::Mul(hn::Set(lanes, factors[n]), hn::LoadU(lanes, at));
        const Vec s = hn::IfThenElse(is_now, hn::Set(lanes, scale * job.c.B[i * N + n]), moved);
        hn::StoreU(s, lanes, at);
        sum = hn::MulAdd(hn::Set(lanes, job.c.C[i * N + n]), s, sum);
      }
      hn::StoreU(sum, lanes, ch.w.row + j);
    }
    if (i < rows.begin) continue;
    float* tile = ch.tile + (i - job.rows.begin) * kTileStride + c;
    const Vec gate = hn::Set(lanes, ch.gate(i));
    for (int64_t m = 0; m < cols.end - cols.begin; m += kLanes) {
      Vec sum = hn::LoadU(lanes, ch.w.row + m);
      if (job.mixer.conv) {
        const float* conv = job.mixer.conv + ch.d * taps;
        sum = hn::Zero(lanes);
        for (int64_t k = 0; k < taps; ++k) {
          sum = hn::MulAdd(hn::LoadU(lanes, ch.w.row + m + k), hn::Set(lanes, conv[taps - 1 - k]), sum);
        }
      }
      const auto inside =
          hn::Lt(hn::Iota(lanes, static_cast<float>(m)), hn::Set(lanes, static_cast<float>(cols.end - cols.begin)));
      add_mapped(job.map, hn::IfThenElseZero(inside, hn::Mul(gate, sum)), tile + m);
    }
  }
}

void rectangle(const TileChannel& ch, Range rows, Range cols) {
  const int64_t height = rows.end - rows.begin, width = cols.end - cols.begin;
  if (cols.begin >= rows.end) return;  // above the diagonal
  if (cols.end + ch.job.taps() - 2 <= rows.begin) return off_diagonal(ch, rows, cols);
  if (height <= kLeaf && width <= kLeaf) return diagonal(ch, rows, cols);
  if (height >= width) {
    const int64_t half = rows.begin + (height + 1) / 2;
    rectangle(ch, {rows.begin, half}, cols);
    return rectangle(ch, {half, rows.end}, cols);
  }
  const int64_t half = cols.begin + (width + 1) / 2;
  rectangle(ch, rows, {cols.begin, half});
  rectangle(ch, rows, {half, cols.end});
}

// The running sums of dt of `count` channels from `first`, [tokens, kMaxLanes]: sums[k] = start + dt over
// (begin, begin + k], or [begin, begin + k] when the first token counts.
HWY_INLINE void running_sums(const TileJob& job, int64_t first, int64_t count, Range tokens, bool with_first,
                             const double* start, double* sums) {
  double run[kMaxLanes] = {};
  for (int64_t l = 0; start && l < count; ++l) run[l] = start[l];
  for (int64_t t = tokens.begin; t < tokens.end; ++t, sums += kMaxLanes) {
    const float* dt = job.c.dt + t * job.dims.D + first;
    const bool counts = with_first || t > tokens.begin;
    for (int64_t l = 0; l < count; ++l) sums[l] = run[l] += counts ? static_cast<double>(dt[l]) : 0.0;
  }
}

HWY_INLINE void transpose_tokens(const float* from, int64_t N, Range tokens, int64_t stride, float* to) {
  for (int64_t t = tokens.begin; t < tokens.end; ++t) {
    for (int64_t n = 0; n < N; ++n) to[n * stride + t - tokens.begin] = from[t * N + n];
  }
}

// tile [rows, kTileStride] += one channel; sums [., kMaxLanes] at this channel's lane, columns first, then rows.
HWY_INLINE void one_channel(const TileJob& job, const TileScratch& w, int64_t d, const double* sums, Range read,
                            float* tile) {
  const int64_t N = job.dims.N, tokens = read.end - read.begin, height = job.rows.end - job.rows.begin;
  HWY_ALIGN float rate[kMaxStates + kMaxLanes] = {};  // [N]
  float slowest = -kLimit;
  for (int64_t n = 0; n < N; ++n) {
    const float a = job.c.A[d * N + n] * 1.44269504f;
    rate[n] = a < -kLimit ? -kLimit : a;
    if (!(rate[n] <= slowest)) slowest = rate[n];
  }
  if (job.gap && job.gap[d - job.channels.begin] * static_cast<double>(slowest) < -160.0) return;  // underflows
  const int64_t all = job.gap ? tokens + height : tokens;
  for (int64_t k = 0; k < all; ++k) w.line[k] = sums[k * kMaxLanes];
  for (int64_t k = 0; k < HWY_MIN(tokens, job.reach() - read.begin); ++k) {
    const int64_t at = (read.begin + k) * job.dims.D + d;
    w.scale[k] = job.c.dt[at] * (job.mixer.slope ? job.mixer.slope[at] : 1.0f);
  }
  rectangle({job, w, d, rate, job.gap ? tokens : job.rows.begin - job.cols.begin, tile}, job.rows, job.cols);
}

void TileBlock(const TileJob& job, float* memory) {
  const int64_t N = job.dims.N, taps = job.taps(), height = job.rows.end - job.rows.begin;
  const int64_t width = job.cols.end - job.cols.begin;
  const TileScratch w(N, taps, memory);
  HWY_ALIGN float tile[kTile * kTileStride] = {};  // [rows, kTileStride]
  const bool above = job.cols.begin >= job.rows.end;
  const Range read{job.cols.begin, job.gap ? job.reach() : job.rows.end};
  transpose_tokens(job.c.B, N, {read.begin, HWY_MIN(read.end, job.reach())}, TileScratch::wide(taps), w.BT);
  transpose_tokens(job.c.C, N, job.rows, kTile, w.CT);
  for (int64_t d0 = job.channels.begin; !above && d0 < job.channels.end; d0 += kMaxLanes) {
    const int64_t count = HWY_MIN(kMaxLanes, job.channels.end - d0), tokens = read.end - read.begin;
    running_sums(job, d0, count, read, false, nullptr, w.sums);
    if (job.gap) {
      double start[kMaxLanes];
      for (int64_t l = 0; l < count; ++l) {
        start[l] = w.sums[(tokens - 1) * kMaxLanes + l] + job.gap[d0 - job.channels.begin + l];
      }
      running_sums(job, d0, count, job.rows, job.reach() <= job.rows.begin, start, w.sums + tokens * kMaxLanes);
    }
    for (int64_t l = 0; l < count; ++l) one_channel(job, w, d0 + l, w.sums + l, read, tile);
  }
  const float scale = job.map == ElementMap::kChannel ? 1.0f : 1.0f / static_cast<float>(job.dims.D);
  for (int64_t i = 0; i < height; ++i) {
    float* to = job.out + i * job.stride;
    for (int64_t j = 0; j < width; ++j) {
      to[j] = job.cols.begin + j <= job.rows.begin + i ? scale * tile[i * kTileStride + j] : 0.0f;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();
#endif
