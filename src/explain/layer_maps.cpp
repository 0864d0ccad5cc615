#include "explain/layer_maps.h"

#include <algorithm>
#include <cmath>

#include "base/signals.h"
#include "base/threads.h"

namespace hindscan {

template <class R>
void LayerMaps<R>::collect(Ctx& ctx, const Views<R>& views, int64_t first) {
  windows_.resize(views.size());
  stages_.resize(views.size());
  for (size_t l = 0; l < views.size(); ++l) {
    const MixerView<R>& view = *views[l];
    stages_[l] = view.stage;
    if (windows_[l] == nullptr) {
      windows_[l] = view.window(fold_ && view.folds(), Estimator::kExact);
      windows_[l]->expect(tokens_);
    }
    windows_[l]->append(ctx, view.ops(), 0, std::min(view.tokens(), tokens_ - first));
  }
}

template <class R>
void LayerMaps<R>::start(const Chunk<R>& chunk) {
  check(chunk.orders.trivial(), ErrorCode::kUsage,
        "[explain] expected a model that reads the text in its own order for maps of whole texts, found one that "
        "reorders tokens; ask for rows (form=repo, mixing=rank-1)");
  const std::vector<R> weights = chunk.weights(chunk.orders.reference());
  if (weights.empty()) return;
  target_row_.assign(static_cast<size_t>(tokens_), 0.0);
  std::copy(weights.begin(), weights.end(), target_row_.begin() + chunk.first);
}

template <class R>
int64_t LayerMaps<R>::bytes() const {
  size_t all = 0;
  for (const auto& window : windows_) all += window->bytes();
  return static_cast<int64_t>(all);
}

template <class R>
std::vector<double> LayerMaps<R>::roll(const MapRollout& how, int64_t T, float* layers, double& smallest,
                                       ProgressSink& sink) const {
  const size_t start = static_cast<size_t>(how.start);
  ProgressTask progress(&sink, "explain", "layers", windows_.size() - start);
  std::vector<double> r = target_row_, before = r;  // those of one stage all read what the stages after it left
  for (size_t l = windows_.size(); l-- > start;) {
    const std::vector<double> added = add_layer(how, l, before, r, smallest);
    std::copy(added.begin(), added.end(), layers + static_cast<int64_t>(l) * T);
    for (size_t t = 0; t < r.size(); ++t) r[t] += added[t];
    if (l > 0 && stages_[l - 1] != stages_[l]) before = r;
    progress.step();
  }
  return r;
}

// before M_l, by a few rows at a time; what a row is divided by, the token's own share in r is as well.
template <class R>
std::vector<double> LayerMaps<R>::add_layer(const MapRollout& how, size_t layer, const std::vector<double>& before,
                                            std::vector<double>& r, double& smallest) const {
  constexpr int64_t kRows = 128, kEntries = int64_t{1} << 20;
  const int64_t rows = std::clamp<int64_t>(kEntries / tokens_, 1, kRows);
  std::vector<double> out(r.size(), 0.0), changed(r.size());
  std::vector<R> tile(static_cast<size_t>(rows * tokens_));
  for (int64_t begin = 0; begin < tokens_; begin += rows) {
    const int64_t end = std::min(begin + rows, tokens_);
    if (std::all_of(before.begin() + begin, before.begin() + end, [](double v) { return v == 0; })) continue;
    throw_if_stopped();
    reconsider_threads();
    windows_[layer]->tile(MapKind::kMean, 0, {begin, end}, {0, end}, tile.data());  // [rows, end]
    for (int64_t i = begin; i < end; ++i) {
      double weight = before[static_cast<size_t>(i)], sum = 1;
      if (weight == 0) continue;
      const R* row = tile.data() + (i - begin) * end;
      for (int64_t j = 0; j <= i; ++j)
        sum += changed[static_cast<size_t>(j)] = how.entry(layer, i, j, static_cast<double>(row[j]));
      if (how.normalised) {
        smallest = std::min(smallest, std::abs(sum));
        weight /= sum;
        r[static_cast<size_t>(i)] /= sum;
      }
      for (int64_t j = 0; j <= i; ++j) out[static_cast<size_t>(j)] += weight * changed[static_cast<size_t>(j)];
    }
  }
  return out;
}

template class LayerMaps<float>;
template class LayerMaps<double>;

}  // namespace hindscan
