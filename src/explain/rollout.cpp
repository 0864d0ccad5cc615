// "rollout": r <- r (I + M_l) from the last layer to the first, M_l the channel mean of a layer's map (arXiv 2403.01590
// eq. 21-22 for one row). As it stands there, and linear in the maps, it takes one scan a layer; of clamped, absolute
// or normalised rows every entry is made. mixing=rank-1: the target's row in the place of all rows. form=repo: what the
// released code computes: that, normalised, of the upper layers. Exact evaluation of a heuristic: not a decomposition.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "explain/layer_maps.h"
#include "explain/papers_form.h"
#include "explain/rank_one_rollout.h"
#include "explain/target_rows.h"

namespace hindscan {

namespace {

// What every way of multiplying shares: the layers it begins with, and how its scores are told.
template <class R>
class Rollout : public ReverseMethod<R> {
 public:
  MethodReport finish(const SequenceState*, const TargetReport&) override {
    MethodReport report;
    if (start_ > 0) report.notes.push_back({"layers", start_words("rollout", start_, sizes_.layers)});
    if (smallest_) report.notes.push_back({"rows", divided_words("rollout", *smallest_)});
    append(report.arrays,
           {unified_ ? "mixer" : "core", "the rows of the layers, multiplied", kWeightUnit, {}, by_layer()},
           std::move(map_));
    return report;
  }

 protected:
  explicit Rollout(const MethodContext<R>& context)
      : sizes_(context.sizes),
        unified_(context.spec.option("map") == "unified"),
        normalised_(context.spec.option("rows") == "normalised" || context.spec.option("form") == "repo"),
        start_(first_layer(context.spec, sizes_.layers, context.spec.option("form") == "paper")),
        map_(make_map(sizes_)) {
    check_folds(context.views, unified_);
  }

  virtual std::string by_layer() const {
    const std::string added = "what the layer adds, its rows multiplied with those of the layers above";
    return added +
           (normalised_ ? "; those divide it" : "; the score is the sum over layers, and what is explained itself");
  }
  float* layer(size_t l) { return map_.layers.data() + l * static_cast<size_t>(sizes_.T); }

  WalkSizes sizes_;
  bool unified_, normalised_;
  int64_t start_;
  ScoreMap map_;
  std::optional<double> smallest_;  // of what rows were divided by
};

// In linear time.
template <class R>
class ScannedRollout final : public Rollout<R> {
 public:
  explicit ScannedRollout(const MethodContext<R>& context)
      : Rollout<R>(context), carries_(static_cast<size_t>(context.sizes.layers)) {}

  void back(const Chunk<R>& chunk) override {
    const Var reference = chunk.orders.reference();
    std::vector<R> r = chunk.weights(reference);  // [rows of the reference]
    if (r.empty()) r.assign(static_cast<size_t>(chunk.ctx.rows(reference)), R(0));
    std::vector<R> before = r;  // the views of a stage all read what the stages after it left
    for (size_t l = chunk.views.size(); l-- > static_cast<size_t>(this->start_);) {
      const MixerView<R>& view = *chunk.views[l];
      const std::vector<R> rows = chunk.moved(reference, view.values(), before);
      std::vector<R> out(rows.size());  // [tokens of the view]
      view.row_times_mean(rows.data(), carries_[l], out.data());
      chunk.store(view.values(), {out.begin(), out.end()}, this->layer(l) + chunk.first);
      const std::vector<R> moved = chunk.moved(view.values(), reference, std::move(out));
      for (size_t t = 0; t < r.size(); ++t) r[t] += moved[t];
      if (l > 0 && chunk.views[l - 1]->stage != view.stage) before = r;
    }
    r = chunk.moved(reference, chunk.orders.text(), std::move(r));
    for (size_t t = 0; t < r.size(); ++t)
      this->map_.scores[static_cast<size_t>(chunk.first) + t] = static_cast<double>(r[t]);
  }

 private:
  std::vector<RowCarry<R>> carries_;  // per layer
};

double changed_entry(const std::string& how, double entry) {
  return how == "clamped" ? std::max(entry, 0.0) : how == "absolute" ? std::abs(entry) : entry;
}

// Entry by entry.
template <class R>
class MappedRollout final : public Rollout<R> {
 public:
  explicit MappedRollout(const MethodContext<R>& context)
      : Rollout<R>(context), entries_(context.spec.option("entries")), maps_(this->unified_, context.sizes.end) {
    if (this->normalised_) check_one_a_stage(context.views);
  }

  void forward(Ctx& ctx, const Views<R>& views, int64_t first) override { maps_.collect(ctx, views, first); }

  void back(const Chunk<R>& chunk) override { maps_.start(chunk); }

  void run(const Model&, const ExplainRequest&, const TargetReport&, ProgressSink& progress) override {
    const auto changed = [&](size_t, int64_t, int64_t, double entry) { return changed_entry(entries_, entry); };
    double smallest = std::numeric_limits<double>::infinity();
    const std::vector<double> r = maps_.roll({this->start_, changed, this->normalised_}, this->sizes_.T,
                                             this->map_.layers.data(), smallest, progress);
    std::copy(r.begin(), r.end(), this->map_.scores.begin());
    if (this->normalised_) this->smallest_ = smallest;
  }

 private:
  std::string entries_;
  LayerMaps<R> maps_;
};

// Of the target's rows alone.
template <class R>
class RankOne final : public Rollout<R> {
 public:
  explicit RankOne(const MethodContext<R>& context)
      : Rollout<R>(context),
        entries_(context.spec.option("entries")),
        rows_(context.sizes, {.unified = this->unified_, .released = context.spec.option("form") == "repo"}),
        rollout_(context.sizes.T, this->normalised_) {}

  void back(const Chunk<R>& chunk) override {
    rollout_.start(chunk);
    rows_.back(chunk);
  }

  MethodReport finish(const SequenceState* state_in, const TargetReport& target) override {
    for (size_t l = rows_.layers(); l-- > static_cast<size_t>(this->start_);) {
      std::vector<double> row = rows_.mean(l);  // [T]
      for (double& v : row) v = changed_entry(entries_, v);
      rollout_.add(row, rows_.stage(l));
      std::copy(row.begin(), row.end(), this->layer(l));
    }
    this->map_.scores = rollout_.finish();
    if (this->normalised_) this->smallest_ = rollout_.smallest();
    MethodReport report = Rollout<R>::finish(state_in, target);
    if (rows_.left_own_step_out()) report.notes.push_back({"own step", own_step_words("rollout")});
    return report;
  }

 private:
  std::string by_layer() const override { return "the target's row of the layer, before rows are multiplied"; }

  std::string entries_;
  TargetRows<R> rows_;
  RankOneRollout rollout_;
};

}  // namespace

template <class R>
std::unique_ptr<ReverseMethod<R>> make_rollout(const MethodContext<R>& context) {
  const MethodSpec& spec = context.spec;
  if (spec.option("form") == "repo") refuse_beside(spec, "form=repo", {"mixing", "rows"});
  if (spec.option("mixing") == "rank-1" || spec.option("form") == "repo") return std::make_unique<RankOne<R>>(context);
  if (spec.makes_maps()) return std::make_unique<MappedRollout<R>>(context);
  return std::make_unique<ScannedRollout<R>>(context);
}
template std::unique_ptr<ReverseMethod<float>> make_rollout(const MethodContext<float>&);
template std::unique_ptr<ReverseMethod<double>> make_rollout(const MethodContext<double>&);

}  // namespace hindscan
