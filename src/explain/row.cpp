// "row": the target's row of every layer's implicit attention. core: mean over maps of alpha[target, :]. mixer: the
// same with convolution, activation slope, norm and gate folded in (arXiv 2405.16504), as the frozen adjoint along that
// chain.
#include <algorithm>
#include <optional>

#include "explain/key_dropping.h"
#include "explain/row_scan.h"
#include "explain/unified_row.h"

namespace hindscan {

namespace {

template <class R>
class Row final : public ReverseMethod<R> {
 public:
  explicit Row(const MethodContext<R>& context)
      : sizes_(context.sizes),
        core_(context.core),
        carries_(static_cast<size_t>(sizes_.layers)),
        mixer_(make_map(sizes_)) {
    if (context.spec.option("estimator") == "exact") return;
    check(std::any_of(context.views.begin(), context.views.end(), [](const auto& v) { return v->has_key_dropping(); }),
          ErrorCode::kUsage,
          "[explain] expected a layer with a rank-1 transition for the key-dropping estimator, found none: the maps of "
          "this model are exact without it");
    dropping_.emplace(sizes_);
  }

  void back(const Chunk<R>& chunk) override {
    if (dropping_) dropping_->back(chunk, mixer_views<R>(chunk.ctx, Estimator::kKeyDropping));
    for (size_t l = 0; l < chunk.views.size(); ++l) {
      const MixerView<R>& view = *chunk.views[l];
      const int64_t D = chunk.ctx.cols(view.ops().result);
      unified_row(chunk, view, R(1) / static_cast<R>(D * view.writes()), carries_[l]);
      store(chunk, l, view.ops().source);
    }
  }

  MethodReport finish(const SequenceState*, const TargetReport&) override {
    average_layers(sizes_, mixer_);
    MethodReport report;
    if (dropping_) dropping_->add_to(report);
    add(report, "core", "what the recurrence alone reads", core_.map());
    add(report, "mixer", "the same with convolution, norm and gate around it", std::move(mixer_));
    return report;
  }

 private:
  static void add(MethodReport& report, const char* name, const std::string& words, ScoreMap map) {
    append(report.arrays, {name, words, kWeightUnit, {}, words + kMeanOfLayers}, std::move(map));
  }

  void store(const Chunk<R>& chunk, size_t l, Var source) {
    const R* dx = chunk.ctx.template grad<R>(source);
    const int64_t C = chunk.ctx.cols(source);
    std::vector<double> rows(static_cast<size_t>(chunk.ctx.rows(source)));
    for (size_t t = 0; t < rows.size(); ++t) {
      double sum = 0;
      for (int64_t c = 0; c < C; ++c) sum += static_cast<double>(dx[static_cast<int64_t>(t) * C + c]);
      rows[t] = sum;
    }
    chunk.store(source, std::move(rows), mixer_.layers.data() + l * static_cast<size_t>(sizes_.T) + chunk.first);
  }

  WalkSizes sizes_;
  const RowScan<R>& core_;
  std::optional<KeyDroppingScan<R>> dropping_;
  std::vector<SequenceState> carries_;  // per layer
  ScoreMap mixer_;
};

}  // namespace

HS_REVERSE_METHOD(row, Row)

}  // namespace hindscan
