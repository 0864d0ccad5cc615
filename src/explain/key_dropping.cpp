#include "explain/key_dropping.h"

#include <algorithm>

namespace hindscan {

template <class R>
KeyDroppingScan<R>::KeyDroppingScan(const WalkSizes& sizes)
    : sizes_(sizes), layers_(static_cast<size_t>(sizes.layers)), map_(make_map(sizes)) {}

template <class R>
void KeyDroppingScan<R>::back(const Chunk<R>& chunk, const Views<R>& dropping) {
  numbers_.clear();
  for (size_t l = 0; l < dropping.size(); ++l) {
    const MixerView<R>&view = *chunk.views[l], &dropped = *dropping[l];
    Layer& layer = layers_[l];
    const int64_t T = view.tokens(), M = view.maps();
    const std::vector<R> weights = chunk.weights(view.values());
    const R* w = weights.empty() ? nullptr : weights.data();
    std::vector<R> a(static_cast<size_t>(T * M)), b(a.size());  // [tokens, maps]
    std::vector<double> unused(static_cast<size_t>(view.channels())), mean(static_cast<size_t>(T), 0.0);
    view.row(w, layer.exact, a.data(), unused.data());
    dropped.row(w, layer.dropped, b.data(), unused.data());
    for (size_t i = 0; i < a.size(); ++i) {
      layer.error.add(static_cast<double>(a[i]), static_cast<double>(b[i]));
      mean[i / static_cast<size_t>(M)] += static_cast<double>(b[i]) / static_cast<double>(M);
    }
    layer.differs = view.has_key_dropping();
    numbers_.push_back(view.layer);
    chunk.store(view.values(), std::move(mean), map_.layers.data() + l * static_cast<size_t>(sizes_.T) + chunk.first);
  }
  if (chunk.first == 0) average_layers(sizes_, map_);
}

template <class R>
EstimatorReport KeyDroppingScan<R>::report() const {
  EstimatorReport out;
  out.name = "key-dropping";
  for (size_t l = 0; l < layers_.size(); ++l) {
    if (!layers_[l].differs) continue;
    out.layers.push_back({numbers_[l], layers_[l].error});
    out.total.add(layers_[l].error);
  }
  return out;
}

template <class R>
void KeyDroppingScan<R>::add_to(MethodReport& report) {
  const EstimatorReport found = this->report();
  const auto worst = std::max_element(found.layers.begin(), found.layers.end(), [](const auto& a, const auto& b) {
    return a.error.relative_l2() < b.error.relative_l2();
  });
  const EstimatorError& e = found.total;
  const std::string words = "what other tools draw: the erasing left out";
  append(report.arrays, {"core-key-dropping", words, kWeightUnit, {}, words + kMeanOfLayers}, std::move(map_));
  report.details.set("estimator", to_json(found));
  const std::string text = fmt::format(
      "{} against the exact rows: relative error {:.3f}, cosine {:.3f}, {:.0f} % of its mass is spurious, {:.2f} x the "
      "exact mass; worst in layer {}: relative error {:.3f}, cosine {:.3f}",
      found.name, e.relative_l2(), e.cosine(), 100 * e.spurious(), e.mass_ratio(), worst->layer,
      worst->error.relative_l2(), worst->error.cosine());
  report.notes.push_back({"estimate", text});
}

template class KeyDroppingScan<float>;
template class KeyDroppingScan<double>;

}  // namespace hindscan
