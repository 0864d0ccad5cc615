#include "explain/map_window.h"

#include <cmath>

namespace hindscan {

kernels::glr::HeadMap head_map(MapKind kind) {
  using kernels::glr::HeadMap;
  switch (kind) {
    case MapKind::kAbs:
      return HeadMap::kMeanAbs;
    case MapKind::kPositive:
      return HeadMap::kMeanPositive;
    case MapKind::kChannel:
      return HeadMap::kOne;
    case MapKind::kMean:
      break;
  }
  return HeadMap::kMean;
}

template <class R>
void MapWindow<R>::append(Ctx& ctx, const MixerOps& ops, int64_t from, int64_t to) {
  if (from >= to) return;
  tokens_ += to - from;
  if (fold_) append_fold(ctx, ops, from, to);
  append_core(*ctx.nodes()[ops.core].mixer, from, to);  // may add to the slopes
}

template <class R>
void MapWindow<R>::append_fold(Ctx& ctx, const MixerOps& ops, int64_t from, int64_t to) {
  out_channels_ = ctx.cols(ctx.nodes()[ops.core].out);
  value_channels_ = ctx.cols(ops.values);
  const std::vector<R> gate = result_factor<R>(ctx, ops);
  ValueFold<R> value = value_fold<R>(ctx, ops);
  if (!gate.empty()) append_rows(gate.data(), from, to, out_channels_, gate_);
  if (!value.slope.empty()) append_rows(value.slope.data(), from, to, value_channels_, slope_);
  K_ = value.K;
  conv_ = std::move(value.conv);
}

namespace {

double reduce(MapKind kind, double v) {
  return kind == MapKind::kAbs ? std::abs(v) : kind == MapKind::kPositive ? std::max(v, 0.0) : v;
}

}  // namespace

// Channel by channel of every map: gate * alpha * (slope, convolution), then the reduction over channels.
template <class R>
void MapWindow<R>::tile(MapKind kind, int64_t map, TokenRange I, TokenRange J, R* out) const {
  const int64_t rows = I.end - I.begin, cols = J.end - J.begin, W = writes(), pairs = reads() * W;
  const int64_t taps = std::max<int64_t>(K_, 1);
  const TokenRange wide{J.begin, std::min(J.end + taps - 1, I.end)};  // columns whose convolution reaches J
  const int64_t wide_cols = wide.end - wide.begin;
  const int64_t first = kind == MapKind::kChannel ? map : 0, last = kind == MapKind::kChannel ? map + 1 : maps();
  const int64_t C = folds_in() ? out_channels_ / (reads() * maps()) : 1;  // channels of a map
  const double scale = 1.0 / static_cast<double>((last - first) * C * pairs);
  std::vector<R> alpha(static_cast<size_t>(rows * wide_cols));
  std::vector<double> sums(static_cast<size_t>(rows * cols), 0.0);
  for (int64_t m = first; m < last; ++m) {
    for (int64_t pair = 0; pair < pairs; ++pair) {
      one(m, pair / W, pair % W, I, wide, alpha.data());
      const int64_t to = (pair / W * maps() + m) * C, from = (pair % W * maps() + m) * C;
      for (int64_t i = 0; i < rows; ++i) {
        const R* a = alpha.data() + i * wide_cols;
        const R* gate = gate_.empty() ? nullptr : gate_.data() + (I.begin + i) * out_channels_ + to;
        for (int64_t j = 0; j < cols && J.begin + j <= I.begin + i; ++j) {
          double sum = 0;
          for (int64_t c = 0; c < C; ++c) {
            double entry = 0;
            for (int64_t tap = 0; tap < taps && j + tap < wide_cols; ++tap) {
              double v = static_cast<double>(a[j + tap]);
              if (!slope_.empty())
                v *= static_cast<double>(
                    slope_[static_cast<size_t>((wide.begin + j + tap) * value_channels_ + from + c)]);
              if (!conv_.empty()) v *= static_cast<double>(conv_[static_cast<size_t>((from + c) * K_ + K_ - 1 - tap)]);
              entry += v;
            }
            sum += reduce(kind, gate == nullptr ? entry : entry * static_cast<double>(gate[c]));
          }
          sums[static_cast<size_t>(i * cols + j)] += scale * sum;
        }
      }
    }
  }
  std::transform(sums.begin(), sums.end(), out, [](double v) { return static_cast<R>(v); });
}

template class MapWindow<float>;
template class MapWindow<double>;

}  // namespace hindscan
