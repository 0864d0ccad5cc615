#include "explain/estimator.h"

#include <algorithm>
#include <cmath>

#include "explain/reverse_method.h"

namespace hindscan {

void EstimatorError::add(double exact, double estimate) {
  exact2 += exact * exact;
  estimate2 += estimate * estimate;
  product += exact * estimate;
  difference2 += (estimate - exact) * (estimate - exact);
  exact_mass += std::abs(exact);
  estimate_mass += std::abs(estimate);
  const double real = exact * estimate > 0 ? std::min(std::abs(exact), std::abs(estimate)) : 0;
  spurious_mass += std::abs(estimate) - real;
}

void EstimatorError::add(const EstimatorError& other) {
  exact2 += other.exact2;
  estimate2 += other.estimate2;
  product += other.product;
  difference2 += other.difference2;
  exact_mass += other.exact_mass;
  estimate_mass += other.estimate_mass;
  spurious_mass += other.spurious_mass;
}

static double ratio(double a, double b) { return a == 0 ? 0 : a / b; }

double EstimatorError::relative_l2() const { return std::sqrt(ratio(difference2, exact2)); }
double EstimatorError::cosine() const { return ratio(product, std::sqrt(exact2) * std::sqrt(estimate2)); }
double EstimatorError::spurious() const { return ratio(spurious_mass, estimate_mass); }
double EstimatorError::mass_ratio() const { return ratio(estimate_mass, exact_mass); }

Json to_json(const EstimatorError& error) {
  Json out = Json::object();
  return out.set("relative_l2", error.relative_l2())
      .set("cosine", error.cosine())
      .set("spurious", error.spurious())
      .set("mass_ratio", error.mass_ratio());
}

Json to_json(const EstimatorReport& report) {
  Json out = to_json(report.total), layers = Json::array();
  for (const EstimatorReport::Layer& l : report.layers) {
    Json layer = to_json(l.error);
    layers.push(std::move(layer.set("layer", l.layer)));
  }
  return out.set("name", report.name).set("layers", std::move(layers));
}

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
  append(report.arrays, {"core-key-dropping", "what other tools draw: the erasing left out", kWeightUnit},
         std::move(map_));
  report.details.set("estimator", to_json(found));
  report.notes.push_back(
      {"estimate", fmt::format("{} against the exact rows: relative error {:.3f}, cosine {:.3f}, {:.0f} % of its mass "
                               "is spurious, {:.2f} x "
                               "the exact mass; worst in layer {}: relative error {:.3f}, cosine {:.3f}",
                               found.name, e.relative_l2(), e.cosine(), 100 * e.spurious(), e.mass_ratio(),
                               worst->layer, worst->error.relative_l2(), worst->error.cosine())});
}

template class KeyDroppingScan<float>;
template class KeyDroppingScan<double>;

}  // namespace hindscan
