// Tiles of the implicit attention: cut into sub-tiles that are computed independently of each other.
#include "kernels/glr/element_tile.h"

#include <omp.h>

#include <algorithm>
#include <vector>

#include "base/arena.h"
#include "kernels/dispatch.h"
#include "kernels/glr/element.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/element_tile.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/glr/element_tile-inl.h"

#if HWY_ONCE
namespace hindscan::kernels::glr {
namespace {

HWY_EXPORT(TileBlock);

// Sums of dt over [start, edge) at ascending edges, [edges, channels], in double.
class StepSums {
 public:
  StepSums(const ElementDims& dims, const float* dt, Range channels, std::vector<int64_t> edges)
      : edges_(std::move(edges)), width_(channels.end - channels.begin) {
    std::sort(edges_.begin(), edges_.end());
    edges_.erase(std::unique(edges_.begin(), edges_.end()), edges_.end());
    sums_.reserve(edges_.size() * static_cast<size_t>(width_));
    std::vector<double> run(static_cast<size_t>(width_), 0.0);  // [channels]
    int64_t t = edges_.empty() ? 0 : edges_.front();
    for (int64_t edge : edges_) {
      for (; t < edge; ++t) {
        const float* row = dt + t * dims.D + channels.begin;
        for (int64_t d = 0; d < width_; ++d) run[static_cast<size_t>(d)] += static_cast<double>(row[d]);
      }
      sums_.insert(sums_.end(), run.begin(), run.end());
    }
  }

  // Sum of dt over [from, to) for every channel; both must be edges.
  void between(int64_t from, int64_t to, double* out) const {
    const double *a = at(from), *b = at(to);
    for (int64_t d = 0; d < width_; ++d) out[d] = b[d] - a[d];
  }

 private:
  const double* at(int64_t edge) const {
    return sums_.data() + (std::lower_bound(edges_.begin(), edges_.end(), edge) - edges_.begin()) * width_;
  }

  std::vector<int64_t> edges_;
  int64_t width_;
  std::vector<double> sums_;  // [edges, channels]
};

bool is_far(const TileJob& job) { return job.reach() - 1 <= job.rows.begin; }

// The sub-tiles, and the edges between which the far ones need sums of dt.
std::vector<TileJob> sub_tiles(const TileJob& whole, std::vector<int64_t>& edges) {
  std::vector<TileJob> jobs;
  for (int64_t r = whole.rows.begin; r < whole.rows.end; r += kTile) {
    for (int64_t c = whole.cols.begin; c < whole.cols.end; c += kTile) {
      TileJob job{whole.dims,
                  whole.c,
                  whole.mixer,
                  whole.map,
                  whole.channels,
                  {r, std::min(r + kTile, whole.rows.end)},
                  {c, std::min(c + kTile, whole.cols.end)},
                  nullptr,
                  whole.out + (r - whole.rows.begin) * whole.stride + c - whole.cols.begin,
                  whole.stride};
      if (is_far(job)) {
        edges.push_back(std::min(job.reach(), r));
        edges.push_back(r);
      }
      jobs.push_back(job);
    }
  }
  return jobs;
}

}  // namespace

void element_tile(const ElementDims& dims, const ElementCoeffs<float>& c, ElementMap map, int64_t channel, Range rows,
                  Range cols, const ElementMixer<float>& mixer, float* tile) {
  ensure_isa_cap();
  const Range channels = map == ElementMap::kChannel ? Range{channel, channel + 1} : Range{0, dims.D};
  const TileJob whole{dims, c, mixer, map, channels, rows, cols, nullptr, tile, cols.end - cols.begin};
  std::vector<int64_t> edges;
  const std::vector<TileJob> jobs = sub_tiles(whole, edges);
  const StepSums sums(dims, c.dt, channels, std::move(edges));

  const int64_t count = static_cast<int64_t>(jobs.size()), width = channels.end - channels.begin;
  const bool parallel = count > 1 && count * width * dims.N >= 256;
  const int threads = parallel ? omp_get_max_threads() : 1;
  const size_t bytes = (TileScratch::bytes(dims.N, whole.taps()) + static_cast<size_t>(width) * 8 + 63) / 64 * 64;
  const HugeBuffer buffer(bytes * static_cast<size_t>(threads));
  const auto kernel = HWY_DYNAMIC_DISPATCH(TileBlock);
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (parallel)
  for (int64_t k = 0; k < count; ++k) {
    TileJob job = jobs[static_cast<size_t>(k)];
    std::byte* mine = buffer.data() + bytes * static_cast<size_t>(omp_get_thread_num());
    double* gap = static_cast<double*>(static_cast<void*>(mine));  // [channels]
    if (is_far(job)) {
      sums.between(std::min(job.reach(), job.rows.begin), job.rows.begin, gap);
      job.gap = gap;
    }
    kernel(job, static_cast<float*>(static_cast<void*>(mine + (width * 8 + 63) / 64 * 64)));
  }
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
