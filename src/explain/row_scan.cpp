#include "explain/row_scan.h"

#include <algorithm>
#include <cmath>

namespace hindscan {

template <class R>
RowScan<R>::RowScan(const WalkSizes& sizes)
    : sizes_(sizes), layers_(static_cast<size_t>(sizes.layers)), map_(make_map(sizes)) {}

// What the row has to explain: the output at the target, less the skip.
template <class R>
void RowScan<R>::start(const Chunk<R>& chunk, const MixerView<R>& view, const std::vector<R>& weights,
                       Layer& layer) const {
  const int64_t D = view.channels();
  layer.missing.assign(static_cast<size_t>(D), 0.0);
  view.weighted_output(weights.data(), layer.missing.data());
  const OpNode* skip = view.ops().skip == MixerOps::npos ? nullptr : &chunk.ctx.nodes()[view.ops().skip];
  if (skip != nullptr && skip->in.size() == 2) {  // base + D x, D per channel or per head
    const Weight& d = *skip->weights[0];
    const R *y = chunk.ctx.template data<R>(skip->out), *x = chunk.ctx.template data<R>(skip->in[1]);
    std::fill(layer.missing.begin(), layer.missing.end(), 0.0);
    std::vector<double> total(layer.missing.size(), 0.0);  // [channels] the explained output, skip included
    for (size_t i = 0; i < weights.size() * static_cast<size_t>(D); ++i) {
      const size_t c = i % static_cast<size_t>(D);
      const double w = static_cast<double>(weights[i / static_cast<size_t>(D)]);
      if (w == 0) continue;
      total[c] += w * static_cast<double>(y[i]);
      const double through = static_cast<double>(d.as<R>()[c / static_cast<size_t>(D / d.size())]) * x[i];
      layer.missing[c] += w * (static_cast<double>(y[i]) - through);
    }
    for (double v : total) layer.norm += v * v;
    return;
  }
  for (double v : layer.missing) layer.norm += v * v;
}

template <class R>
void RowScan<R>::back(const Chunk<R>& chunk) {
  for (size_t l = 0; l < chunk.views.size(); ++l) {
    const MixerView<R>& view = *chunk.views[l];
    Layer& layer = layers_[l];
    const int64_t M = view.maps();
    const std::vector<R> weights = chunk.weights(view.values());
    if (!weights.empty()) start(chunk, view, weights, layer);
    scratch_.resize(static_cast<size_t>(view.tokens() * M));  // [tokens, maps]
    view.row(weights.empty() ? nullptr : weights.data(), layer.carry, scratch_.data(), layer.missing.data());
    std::vector<double> mean(static_cast<size_t>(view.tokens()));
    for (int64_t t = 0; t < view.tokens(); ++t) {
      double sum = 0;
      for (int64_t m = 0; m < M; ++m) sum += static_cast<double>(scratch_[static_cast<size_t>(t * M + m)]);
      mean[static_cast<size_t>(t)] = sum / static_cast<double>(M);
    }
    chunk.store(view.values(), std::move(mean), map_.layers.data() + l * static_cast<size_t>(sizes_.T) + chunk.first);
    if (chunk.first > 0) continue;
    std::vector<double> carried(layer.missing.size(), 0.0);  // [channels]
    view.add_carried_in(layer.carry, carried.data());
    for (size_t d = 0; d < carried.size(); ++d) layer.missing[d] -= carried[d];
  }
  if (chunk.first == 0) average_layers(sizes_, map_);
}

template <class R>
std::vector<double> RowScan<R>::residuals() const {
  std::vector<double> out;
  for (const Layer& layer : layers_) {
    double error = 0;
    for (double r : layer.missing) error += r * r;
    out.push_back(error == 0 ? 0 : std::sqrt(error / layer.norm));
  }
  return out;
}

template class RowScan<float>;
template class RowScan<double>;

}  // namespace hindscan
