// "rollout": r <- r (I + Abar_l) from the last layer to the first, Abar_l the channel mean of alpha with full mixing
// (arXiv 2403.01590 eq. 21-22 for one row, unnormalised). Exact evaluation of a heuristic: not a decomposition.
#include "explain/reverse_method.h"

namespace hindscan {

namespace {

template <class R>
class Rollout final : public ReverseMethod<R> {
 public:
  explicit Rollout(const MethodContext<R>& context)
      : sizes_(context.sizes), carries_(static_cast<size_t>(sizes_.layers)), map_(make_map(sizes_)) {}

  void back(const Chunk<R>& chunk) override {
    const Var reference = chunk.orders.reference();
    std::vector<R> r = chunk.weights(reference);  // [rows of the reference]
    if (r.empty()) r.assign(static_cast<size_t>(chunk.ctx.rows(reference)), R(0));
    std::vector<R> before = r;  // the views of a stage all read what the stages after it left
    for (size_t l = chunk.views.size(); l-- > 0;) {
      const MixerView<R>& view = *chunk.views[l];
      const std::vector<R> rows = chunk.moved(reference, view.values(), before);
      std::vector<R> out(rows.size());  // [tokens of the view]
      view.row_times_mean(rows.data(), carries_[l], out.data());
      chunk.store(view.values(), {out.begin(), out.end()},
                  map_.layers.data() + l * static_cast<size_t>(sizes_.T) + chunk.first);
      const std::vector<R> moved = chunk.moved(view.values(), reference, std::move(out));
      for (size_t t = 0; t < r.size(); ++t) r[t] += moved[t];
      if (l > 0 && chunk.views[l - 1]->stage != view.stage) before = r;
    }
    r = chunk.moved(reference, chunk.orders.text(), std::move(r));
    for (size_t t = 0; t < r.size(); ++t) map_.scores[static_cast<size_t>(chunk.first) + t] = static_cast<double>(r[t]);
  }

  MethodReport finish(const SequenceState*, const TargetReport&) override {
    MethodReport report;
    append(
        report.arrays,
        {"core",
         "the rows of the recurrences, multiplied",
         kWeightUnit,
         {},
         "what the layer adds, its rows multiplied with those of the layers above; the score is the sum over layers, "
         "and 1 more at the last token"},
        std::move(map_));
    return report;
  }

 private:
  WalkSizes sizes_;
  std::vector<RowCarry<R>> carries_;  // per layer
  ScoreMap map_;
};

}  // namespace

HS_REVERSE_METHOD(rollout, Rollout)

}  // namespace hindscan
