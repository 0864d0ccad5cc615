#include "explain/score_array.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace hindscan {

std::span<const double> ScoreArray::tokens() const { return std::get<std::vector<double>>(values); }
std::span<const float> ScoreArray::layers() const { return std::get<std::vector<float>>(values); }

static ScoreArray named(const ArrayName& name) {
  ScoreArray out;
  out.name = name.name;
  out.words = name.words;
  out.unit = name.unit;
  out.part_of = name.part_of;
  return out;
}

ScoreArray token_array(const ArrayName& name, std::vector<double> scores) {
  ScoreArray out = named(name);
  out.axes = {kTokenAxis};
  out.shape = {scores.size()};
  out.sum = std::accumulate(scores.begin(), scores.end(), 0.0);
  out.values = std::move(scores);
  return out;
}

ScoreArray layer_array(const ArrayName& name, std::vector<float> layers, size_t tokens) {
  ScoreArray out = named(name);
  if (!name.by_layer.empty()) out.words = name.by_layer;
  out.axes = {kLayerAxis, kTokenAxis};
  out.shape = {tokens == 0 ? 0 : layers.size() / tokens, tokens};
  out.values = std::move(layers);
  return out;
}

void append(std::vector<ScoreArray>& arrays, const ArrayName& name, ScoreMap map) {
  const size_t T = map.scores.size();
  arrays.push_back(token_array(name, std::move(map.scores)));
  if (!map.layers.empty()) arrays.push_back(layer_array(name, std::move(map.layers), T));
}

double largest_size(std::span<const double> values) {
  double top = 0;
  for (const double v : values) {
    if (std::isfinite(v)) top = std::max(top, std::abs(v));
  }
  return top;
}

std::vector<ScoreView> views_of(std::span<const ScoreArray> arrays) {
  std::vector<ScoreView> out;
  for (const ScoreArray& a : arrays) {
    if (!a.by_token() && !a.by_layer_and_token()) continue;
    auto same = std::find_if(out.begin(), out.end(), [&](const ScoreView& v) { return v.any().name == a.name; });
    if (same == out.end()) same = out.insert(out.end(), ScoreView{});
    (a.by_token() ? same->tokens : same->layers) = &a;
  }
  return out;
}

}  // namespace hindscan
