#include "explain/target_rows.h"

#include <algorithm>

#include "explain/unified_row.h"

namespace hindscan {

template <class R>
TargetRows<R>::TargetRows(const WalkSizes& sizes, Kind kind)
    : sizes_(sizes), kind_(kind), layers_(static_cast<size_t>(sizes.layers)) {
  for (Layer& layer : layers_) layer.mean.assign(static_cast<size_t>(sizes.T), 0.0);
}

template <class R>
void TargetRows<R>::back(const Chunk<R>& chunk) {
  for (size_t l = 0; l < chunk.views.size(); ++l) {
    layers_[l].stage = chunk.views[l]->stage;
    if (kind_.unified)
      unified_rows(chunk, l);
    else
      core_rows(chunk, l);
  }
}

template <class R>
void TargetRows<R>::core_rows(const Chunk<R>& chunk, size_t l) {
  const MixerView<R>& view = *chunk.views[l];
  const std::vector<R> weights = chunk.weights(view.values());
  scratch_.resize(static_cast<size_t>(view.tokens() * view.maps()));  // [tokens, maps]
  const R* w = weights.empty() ? nullptr : weights.data();
  const auto explained = std::count_if(weights.begin(), weights.end(), [](R v) { return v != R(0); });
  if (kind_.released && explained <= 1 && view.row_without_own_step(w, layers_[l].core, scratch_.data())) {
    left_out_ = true;
  } else {
    std::vector<double> missing(static_cast<size_t>(view.channels()));
    view.row(w, layers_[l].core, scratch_.data(), missing.data());
  }
  add(chunk, view.values(), l, scratch_.data(), view.maps(), view.maps());
}

template <class R>
void TargetRows<R>::unified_rows(const Chunk<R>& chunk, size_t l) {
  const MixerView<R>& view = *chunk.views[l];
  const R* rows = unified_row(chunk, view, R(1) / static_cast<R>(view.writes()), layers_[l].unified);
  add(chunk, view.ops().source, l, rows, chunk.ctx.cols(view.ops().source), chunk.ctx.cols(view.ops().result));
}

// rows [tokens of the array, C], of so many channels in all: heads may share one.
template <class R>
void TargetRows<R>::add(const Chunk<R>& chunk, Var v, size_t l, const R* rows, int64_t C, int64_t channels) {
  Layer& layer = layers_[l];
  std::vector<double> means(static_cast<size_t>(chunk.ctx.rows(v)));
  for (size_t t = 0; t < means.size(); ++t) {
    double sum = 0;
    for (int64_t c = 0; c < C; ++c) {
      const double entry = static_cast<double>(rows[static_cast<int64_t>(t) * C + c]);
      const double kept = kind_.clamped ? std::max(entry, 0.0) : entry;
      sum += kept;
      layer.low = layer.any ? std::min(layer.low, kept) : kept;
      layer.high = layer.any ? std::max(layer.high, kept) : kept;
      layer.any = true;
    }
    means[t] = sum / static_cast<double>(channels);
  }
  means = chunk.orders.move(v, chunk.orders.text(), std::move(means));
  for (size_t t = 0; t < means.size() && chunk.first + static_cast<int64_t>(t) < sizes_.T; ++t)
    layer.mean[static_cast<size_t>(chunk.first) + t] = means[t];
}

template <class R>
std::vector<double> TargetRows<R>::scaled(size_t l) const {
  const Layer& layer = layers_[l];
  std::vector<double> out = layer.mean;
  const double range = layer.high - layer.low;
  for (int64_t t = 0; t < sizes_.end; ++t) {
    double& v = out[static_cast<size_t>(t)];
    v = range == 0 ? 0 : (v - layer.low) / range;
  }
  return out;
}

template class TargetRows<float>;
template class TargetRows<double>;

}  // namespace hindscan
