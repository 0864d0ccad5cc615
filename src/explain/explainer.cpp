#include "explain/explainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "explain/answer_rows.h"
#include "explain/rerun.h"
#include "explain/reverse_method.h"
#include "explain/reverse_walk.h"
#include "explain/row_scan.h"
#include "explain/target.h"
#include "kernels/finite.h"

namespace hindscan {

namespace {

template <class R>
class Explainer {
 public:
  Explainer(const Model& model, const ExplainRequest& request, const ExplainPlan& plan, int64_t target)
      : model_(model),
        request_(request),
        plan_(plan),
        target_(target),
        answer_(first_place(request, target), target, model.arch().sizes().labels > 0) {}

  ExplainReport run() {
    const int64_t tokens = plan_.estimate.tokens;
    report_.chunk = plan_.estimate.chunk;
    WalkPlan plan = walk_of(model_, request_);
    if (plan.feature_dim == 0) plan.tokens = plan.tokens.first(static_cast<size_t>(tokens));
    plan.chunk = report_.chunk;
    JoinedProgress progress(request_.progress, "explain", "tokens", static_cast<uint64_t>(tokens));
    progress.set_shares(shares(plan_.estimate.parts));
    plan.progress = &progress;
    walk_once(plan);
    for (auto& method : methods_) walk_again(plan, *method);
    for (auto& method : methods_) run_again(*method, progress);
    for (auto& method : methods_) method->run(model_, request_, report_.target, progress);
    finish();
    return std::move(report_);
  }

 private:
  // For all methods. What it holds is free again before methods walk on their own or run edited texts.
  void walk_once(const WalkPlan& plan) {
    ReverseWalk walk(model_, plan);
    walk.run([this](Ctx& ctx, Var h, int64_t first, int64_t count) { forward(ctx, h, first, count); },
             [this](Ctx& ctx, Var h, int64_t first, int64_t count) { back(ctx, h, first, count); });
    report_.window.first = window_first();
    report_.window.last = target_ + 1;
    report_.window.edits_end = report_.target.first();
    report_.window.probe = plan_.probe;
    report_.window.edit_cost = plan_.edits;
    report_.window.state = walk.border_before(window_first(), &report_.window.state_at);
  }

  int64_t window_first() const { return hindscan::window_first(plan_.probe, first_place(request_, target_)); }

  static std::vector<double> shares(std::vector<double> parts) {
    const double all = std::accumulate(parts.begin(), parts.end(), 0.0);
    for (double& p : parts) p /= all;
    return parts;
  }

  void start(const Views<R>& views) {
    const WalkSizes sizes{explain_tokens(model_, request_), plan_.estimate.tokens, static_cast<int64_t>(views.size()),
                          window_first()};
    states_.resize(views.size());
    for (const auto& view : views) {
      report_.layers.push_back({view->layer, view->name(), 0, 0});
      report_.window.writes[view->write_tap()] = {view->state(), view->reads_itself()};
    }
    rows_ = std::make_unique<RowScan<R>>(sizes);
    for (const MethodSpec& spec : request_.methods)
      methods_.push_back(make_method(MethodContext<R>{sizes, spec, views, *rows_}));
  }

  void forward(Ctx& ctx, Var h, int64_t first, int64_t count) {
    const auto views = mixer_views<R>(ctx);
    if (first == 0) {
      start(views);
      report_.window.embedding = embedding_table(ctx);
    }
    for (auto& method : methods_) method->forward(ctx, views, first);
    for (size_t l = 0; l < views.size(); ++l) {
      std::vector<double> residual(static_cast<size_t>(views[l]->tokens()));
      views[l]->forward_residual(states_[l], residual.data());
      for (double r : residual)
        report_.layers[l].max_residual = std::isnan(r) ? r : std::max(report_.layers[l].max_residual, r);
    }
    answer_.collect(ctx, h, first, count, read_);
    if (first + count <= target_) return;
    report_.target = choose_target<R>(model_, request_, target_, read_);
    const std::vector<double> seed = target_seed(model_, report_.target),
                              frozen = target_seed(model_, report_.target, true);
    seed_.assign(seed.begin(), seed.end());
    frozen_seed_.assign(frozen.begin(), frozen.end());
  }

  void back(Ctx& ctx, Var h, int64_t first, int64_t count) {
    const auto views = mixer_views<R>(ctx);
    const Orders orders = Orders::of<R>(ctx, h);
    const AnswerRows::Some some = answer_.in(ctx, h, first, count);
    const int64_t last = answer_.last_in(ctx, h, first, count);
    const Chunk<R> chunk{
        ctx,   h,     first, count, last, some.row, answer_.part(some, seed_), answer_.part(some, frozen_seed_),
        views, orders};
    rows_->back(chunk);
    for (auto& method : methods_) method->back(chunk);
  }

  // The edited texts that a method asks for. The tokens stay from which the answer is read.
  void run_again(ReverseMethod<R>& method, ProgressSink& progress) {
    std::vector<Edit> edits = method.edits(report_.window.first, report_.window.edits_end);
    measure_edits(model_, request_, report_, edits, &progress, "explain");
    method.measured(edits);
  }

  // The walks that a method asks for beside the shared one.
  void walk_again(WalkPlan plan, ReverseMethod<R>& method) {
    if (method.walks() == 0) return;
    method.prepare(model_, request_);
    ProgressTask progress(plan.progress, "explain", "walks", static_cast<uint64_t>(method.walks()));
    plan.progress = nullptr;
    int w = 0;
    plan.change = [&](int64_t first, const TapView& v) { method.change(w, first, v.T, v.C, static_cast<R*>(v.data)); };
    ReverseWalk walk(model_, plan);  // one for all of them: its memory is asked for once
    for (; w < method.walks(); ++w) {
      Again again;
      walk.run(
          [&](Ctx& ctx, Var h, int64_t first, int64_t count) { answer_.collect(ctx, h, first, count, again.read); },
          [&](Ctx& ctx, Var h, int64_t first, int64_t count) { back_again(method, w, again, ctx, h, first, count); });
      progress.step();
    }
  }

  // One such walk: what the answer is read from, and its adjoint there.
  struct Again {
    std::vector<R> read, seed;  // [places, d_model]
    double value = 0;
  };

  void back_again(ReverseMethod<R>& method, int w, Again& again, Ctx& ctx, Var h, int64_t first, int64_t count) {
    const int64_t last = answer_.last_in(ctx, h, first, count);
    if (last >= 0) {
      const TargetReport target =
          target_at(model_, report_.target, std::vector<double>(again.read.begin(), again.read.end()));
      const std::vector<double> wide = target_seed(model_, target);
      again.seed.assign(wide.begin(), wide.end());
      again.value = target.value();
    }
    const auto views = mixer_views<R>(ctx);
    const Orders orders = Orders::of<R>(ctx, h);
    const AnswerRows::Some some = answer_.in(ctx, h, first, count);
    method.back_again(
        w, {ctx, h, first, count, last, some.row, answer_.part(some, again.seed), {}, views, orders, again.value});
  }

  // The pass itself was finite; an adjoint may still have outgrown its type.
  static void check_scores(const MethodReport& m) {
    for (const ScoreArray& a : m.arrays) {
      if (!a.by_token()) continue;
      const std::span<const double> scores = a.tokens();
      const int64_t bad = kernels::first_non_finite(std::ssize(scores), scores.data());
      check(bad < 0, ErrorCode::kData,
            "[explain] expected finite scores, found {} at token {} of {}: the adjoint left the range of its numbers; "
            "try f64",
            bad < 0 ? 0.0 : scores[static_cast<size_t>(bad)], bad, m.name);
    }
  }

  void finish() {
    for (size_t m = 0; m < methods_.size(); ++m) {
      report_.methods.push_back(methods_[m]->finish(request_.state_in, report_.target));
      MethodReport& report = report_.methods.back();
      report.name = request_.methods[m].text();
      report.words = request_.methods[m].info().words;
      report.targeted = request_.methods[m].info().targeted;
      check_scores(report);
    }
    const std::vector<double> residuals = rows_->residuals();
    for (size_t l = 0; l < residuals.size(); ++l) {
      LayerReport& layer = report_.layers[l];
      layer.target_residual = residuals[l];
      layer.max_residual = std::isnan(residuals[l]) ? residuals[l] : std::max(layer.max_residual, residuals[l]);
    }
  }

  const Model& model_;
  const ExplainRequest& request_;
  const ExplainPlan& plan_;
  int64_t target_;
  AnswerRows answer_;
  ExplainReport report_;
  std::vector<R> read_;                      // what the answer is read from, [places, d_model]
  std::vector<R> seed_, frozen_seed_;        // [places, d_model]
  std::vector<std::vector<double>> states_;  // per mixer, for the independent check
  std::unique_ptr<RowScan<R>> rows_;
  std::vector<std::unique_ptr<ReverseMethod<R>>> methods_;
};

}  // namespace

ExplainReport run_explainer(const Model& model, const ExplainRequest& request, const ExplainPlan& plan,
                            int64_t target) {
  return model.compute() == DType::kF64 ? Explainer<double>(model, request, plan, target).run()
                                        : Explainer<float>(model, request, plan, target).run();
}

}  // namespace hindscan
