// "attribution": the layers' rows rolled out and weighted by the target's gradient (Mamba-attribution, arXiv
// 2403.01590; with map=unified, 2405.16504). form=paper: r <- r (I + (g M_l)+), M_l the channel mean of the whole map
// and g the mean gradient of the gated output (eq. 22-24, whose product leaves open whether g stands at the source or
// at the query). form=repo: what the released code computes of one row a_l = mean of the clamped channels and s_l = the
// largest clamped gradient of the stream behind the layer: r <- (r + a_l s_l) / (1 + sum), each scaled to [0, 1]; of
// the unified map a_l is not, but the product is.
#include <algorithm>
#include <optional>

#include "explain/layer_maps.h"
#include "explain/papers_form.h"
#include "explain/rank_one_rollout.h"
#include "explain/stream_gradients.h"
#include "explain/target_rows.h"

namespace hindscan {

namespace {

template <class R>
class Attribution final : public ReverseMethod<R> {
 public:
  explicit Attribution(const MethodContext<R>& context)
      : sizes_(context.sizes),
        unified_(context.spec.option("map") == "unified"),
        by_source_(context.spec.option("index") == "source"),
        start_(first_layer(context.spec, sizes_.layers, context.spec.option("form") == "paper")),
        gradients_(sizes_, context.spec.option("form") == "paper" ? Around::kGated : Around::kLargest),
        rollout_(sizes_.T, true),
        map_(make_map(sizes_)) {
    check_folds(context.views, unified_);
    if (context.spec.option("form") == "repo") refuse_beside(context.spec, "form=repo", {"index"});
    if (context.spec.option("form") == "paper")
      maps_.emplace(unified_, sizes_.end);
    else
      rows_.emplace(sizes_, typename TargetRows<R>::Kind{.unified = unified_, .clamped = true, .released = true});
  }

  void forward(Ctx& ctx, const Views<R>& views, int64_t first) override {
    if (maps_) maps_->collect(ctx, views, first);
  }

  void back(const Chunk<R>& chunk) override {
    gradients_.back(chunk);
    if (rows_) {
      rollout_.start(chunk);
      return rows_->back(chunk);
    }
    maps_->start(chunk);
  }

  void run(const Model&, const ExplainRequest&, const TargetReport&, ProgressSink& progress) override {
    if (maps_) roll_maps(progress);
  }

  MethodReport finish(const SequenceState*, const TargetReport&) override {
    if (rows_) roll_rows();
    MethodReport report;
    report.notes.push_back({"layers", start_words("attribution", start_, sizes_.layers)});
    if (rows_ && rows_->left_own_step_out()) report.notes.push_back({"own step", own_step_words("attribution")});
    if (rows_) report.notes.push_back({"rows", divided_words("attribution", rollout_.smallest())});
    if (maps_)
      report.notes.push_back({"index", by_source_ ? "attribution: the gradient of the token that is read from (source)"
                                                  : "attribution: the gradient of the token that reads (query)"});
    append(report.arrays,
           {maps_ ? "paper" : "repo",
            "the layers' rows, weighted by the gradient and multiplied",
            kWeightUnit,
            {},
            maps_ ? "what the layer adds to the score" : "the weighted row of a layer"},
           std::move(map_));
    return report;
  }

 private:
  void roll_maps(ProgressSink& progress);
  void roll_rows();

  WalkSizes sizes_;
  bool unified_, by_source_;
  int64_t start_;
  StreamGradients<R> gradients_;
  RankOneRollout rollout_;
  std::optional<LayerMaps<R>> maps_;
  std::optional<TargetRows<R>> rows_;
  ScoreMap map_;
};

template <class R>
void Attribution<R>::roll_maps(ProgressSink& progress) {
  const auto weighted = [&](size_t l, int64_t i, int64_t j, double entry) {
    return std::max(gradients_.of(l)[static_cast<size_t>(by_source_ ? j : i)] * entry, 0.0);
  };
  double undivided = 0;
  const std::vector<double> r = maps_->roll({start_, weighted}, sizes_.T, map_.layers.data(), undivided, progress);
  std::copy(r.begin(), r.end(), map_.scores.begin());
}

template <class R>
void Attribution<R>::roll_rows() {
  for (size_t l = rows_->layers(); l-- > static_cast<size_t>(start_);) {
    std::vector<double> row = unified_ ? rows_->mean(l) : rows_->scaled(l),
                        s = gradients_.of(l);  // [T]
    scale_to_one(s, sizes_.end);
    for (size_t t = 0; t < row.size(); ++t) row[t] *= s[t];
    if (unified_) scale_to_one(row, sizes_.end);
    rollout_.add(row, rows_->stage(l));
    std::copy(row.begin(), row.end(), map_.layers.begin() + static_cast<std::ptrdiff_t>(l) * sizes_.T);
  }
  map_.scores = rollout_.finish();
}

}  // namespace

HS_REVERSE_METHOD(attribution, Attribution)

}  // namespace hindscan
