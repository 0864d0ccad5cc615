// The maps of all layers over a whole text, entry by entry, for what is not linear in them: clamped, absolute or scaled
// entries. Coefficients are kept for every token, entries only for a few rows at a time, so that time grows with the
// square of the text and memory does not.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "explain/reverse_method.h"

namespace hindscan {

// Which rollout of the maps is asked for: r <- r (I + M_l), from the last layer to `start`.
struct MapRollout {
  int64_t start = 0;
  std::function<double(size_t layer, int64_t i, int64_t j, double entry)> entry;  // what becomes of an entry of M_l
  bool normalised = false;  // every row of I + M_l divided by its sum
};

template <class R>
class LayerMaps {
 public:
  // fold: with the convolution, slopes and gates around the cores. tokens: of the text, up to the target.
  LayerMaps(bool fold, int64_t tokens) : fold_(fold), tokens_(tokens) {}

  // Every chunk on the way forward, the first one first.
  void collect(Ctx& ctx, const Views<R>& views, int64_t first);
  // And on the way back: what is explained. Error(kUsage) for a model that reorders tokens, of whose maps there is not
  // one of the text.
  void start(const Chunk<R>& chunk);
  // [tokens]; layers [L, T]: what each added. smallest: of the sizes that rows were divided by.
  std::vector<double> roll(const MapRollout& how, int64_t T, float* layers, double& smallest,
                           ProgressSink& progress) const;
  int64_t bytes() const;

 private:
  std::vector<double> add_layer(const MapRollout& how, size_t layer, const std::vector<double>& before,
                                std::vector<double>& r, double& smallest) const;

  bool fold_;
  int64_t tokens_;
  std::vector<std::unique_ptr<MapWindow<R>>> windows_;  // [layers]
  std::vector<size_t> stages_;                          // [layers] those of one stand side by side
  std::vector<double> target_row_;                      // [tokens] weight of each in what is explained
};

}  // namespace hindscan
