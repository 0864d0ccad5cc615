// "raw-attention": the target's row of the upper layers, each scaled between its smallest and largest entry over all
// channels and tokens, on average over channels and layers: what the code released with arXiv 2403.01590 calls raw
// attention (there of Vision Mamba's class token; map=unified: with the rows of arXiv 2405.16504). Without the scaling
// and over all layers it is "row".
#include "explain/papers_form.h"
#include "explain/target_rows.h"

namespace hindscan {

namespace {

template <class R>
class RawAttention final : public ReverseMethod<R> {
 public:
  explicit RawAttention(const MethodContext<R>& context)
      : sizes_(context.sizes),
        start_(first_layer(context.spec, sizes_.layers)),
        rows_(sizes_, {.unified = context.spec.option("map") == "unified", .released = true}) {
    check_folds(context.views, context.spec.option("map") == "unified");
  }

  void back(const Chunk<R>& chunk) override { rows_.back(chunk); }

  MethodReport finish(const SequenceState*, const TargetReport&) override {
    ScoreMap map = make_map(sizes_);
    const auto T = static_cast<size_t>(sizes_.T);
    for (auto l = static_cast<size_t>(start_); l < rows_.layers(); ++l) {
      const std::vector<double> row = rows_.scaled(l);
      for (size_t t = 0; t < T; ++t) {
        map.layers[l * T + t] = static_cast<float>(row[t]);
        map.scores[t] += row[t] / static_cast<double>(sizes_.layers - start_);
      }
    }
    MethodReport report;
    report.notes.push_back({"layers", start_words("raw-attention", start_, sizes_.layers)});
    if (rows_.left_own_step_out()) report.notes.push_back({"own step", own_step_words("raw-attention")});
    append(report.arrays, {"raw", "the layers' rows, scaled", kWeightUnit, {}, "the row of a layer, scaled"},
           std::move(map));
    return report;
  }

 private:
  WalkSizes sizes_;
  int64_t start_;
  TargetRows<R> rows_;
};

}  // namespace

HS_REVERSE_METHOD(raw_attention, RawAttention)

}  // namespace hindscan
