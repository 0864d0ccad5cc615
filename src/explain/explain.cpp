#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/counted.h"
#include "explain/explain_plan.h"
#include "explain/report.h"
#include "explain/rerun.h"
#include "explain/reverse_method.h"
#include "explain/reverse_walk.h"
#include "explain/target.h"
#include "explain/token_text.h"
#include "kernels/finite.h"

namespace hindscan {

namespace {

constexpr double kWorthTiming = 3;  // seconds of a first guess

int64_t feature_dim(const Model& model) { return model.arch().sizes().feature_dim; }

int64_t resolve_target(const Model& model, const ExplainRequest& r) {
  const int64_t T = explain_tokens(model, r);
  check(T > 0, ErrorCode::kUsage, "[explain] expected at least one token, found none; give a prompt");
  check(r.target == -1 || model.arch().sizes().labels == 0, ErrorCode::kUsage,
        "[explain] expected no target position, found {}: the model judges the whole text", r.target);
  const int64_t target = r.target < 0 ? T + r.target : r.target;
  check(target >= 0 && target < T, ErrorCode::kUsage,
        "[explain] expected a target in 0..{}, or from the end -1..-{}, found {}", T - 1, T, r.target);
  return target;
}

void check_request(const Model& model, const ExplainRequest& r) {
  const int64_t V = model.arch().head().rows(), F = feature_dim(model);
  if (F == 0) {
    check(r.features.empty(), ErrorCode::kUsage, "[explain] expected tokens, found features; the model reads tokens");
    model.check_tokens(r.tokens);
  } else {
    check(r.tokens.empty() && static_cast<int64_t>(r.features.size()) % F == 0, ErrorCode::kUsage,
          "[explain] expected features of {} a token, found {} and {}", counted(F, "number"),
          counted(r.tokens.size(), "token"), counted(r.features.size(), "number"));
  }
  const auto known = [&](int32_t id, const char* what) {
    check(id >= 0 && id < V, ErrorCode::kUsage, "[explain] {} token id {} is outside the vocabulary 0..{}", what, id,
          V - 1);
  };
  if (r.target_id) known(*r.target_id, "target");
  if (r.contrast == Contrast::kId) known(r.contrast_id, "contrast");
  check(!r.methods.empty(), ErrorCode::kUsage, "[explain] expected at least one method, found none");
  for (const MethodSpec& m : r.methods)
    check(m.reruns() == 0 || F == 0, ErrorCode::kUsage,
          "[explain] expected tokens that {} can take out, found vectors; leave the method out", m.name);
  check(r.chunk > 0, ErrorCode::kUsage, "[explain] expected a chunk of at least 1 token, found {}", r.chunk);
}

template <class R>
class Explainer {
 public:
  Explainer(const Model& model, const ExplainRequest& request, const ExplainPlan& plan, int64_t target)
      : model_(model), request_(request), plan_(plan), target_(target) {}

  ExplainReport run() {
    const int64_t tokens = plan_.estimate.tokens;
    report_.chunk = plan_.estimate.chunk;
    WalkPlan plan = walk_of(model_, request_);
    if (plan.feature_dim == 0) plan.tokens = plan.tokens.first(static_cast<size_t>(tokens));
    plan.chunk = report_.chunk;
    ReverseWalk walk(model_, plan);
    walk.run([this](Ctx& ctx, Var h, int64_t first, int64_t count) { forward(ctx, h, first, count); },
             [this](Ctx& ctx, Var h, int64_t first, int64_t count) { back(ctx, h, first, count); });
    for (auto& method : methods_) walk_again(plan, *method);
    report_.window.first = window_first();
    report_.window.last = target_ + 1;
    report_.window.probe = plan_.probe;
    report_.window.edit_cost = plan_.edits;
    report_.window.state = walk.border_before(window_first(), &report_.window.state_at);
    for (auto& method : methods_) run_again(*method);
    finish();
    return std::move(report_);
  }

 private:
  int64_t window_first() const { return plan_.probe.whole ? 0 : std::max<int64_t>(0, target_ - kWindow); }

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

  int64_t output_row(const Ctx& ctx, Var h, int64_t first) const {
    return ctx.rows(h) == 1 && model_.arch().sizes().labels > 0 ? 0 : target_ - first;
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
    if (first + count <= target_) return;
    const int64_t C = ctx.cols(h);
    report_.target = choose_target(model_, request_, target_, ctx.data<R>(h) + output_row(ctx, h, first) * C);
    const std::vector<double> seed = target_seed(model_, report_.target),
                              frozen = target_seed(model_, report_.target, true);
    seed_.assign(seed.begin(), seed.end());
    frozen_seed_.assign(frozen.begin(), frozen.end());
  }

  void back(Ctx& ctx, Var h, int64_t first, int64_t count) {
    const auto views = mixer_views<R>(ctx);
    const Orders orders = Orders::of<R>(ctx, h);
    const int64_t row = target_ < first + count ? output_row(ctx, h, first) : -1;
    const Chunk<R> chunk{ctx, h, first, count, row, seed_, frozen_seed_, views, orders};
    rows_->back(chunk);
    for (auto& method : methods_) method->back(chunk);
  }

  // The edited texts that a method asks for. The last token stays: the prediction is read there.
  void run_again(ReverseMethod<R>& method) {
    std::vector<Edit> edits = method.edits(report_.window.first, report_.window.last - 1);
    measure_edits(model_, request_, report_, edits, "explain");
    method.measured(edits);
  }

  // The walks that a method asks for beside the shared one.
  void walk_again(WalkPlan plan, ReverseMethod<R>& method) {
    if (method.walks() == 0) return;
    ProgressTask progress(plan.progress, "explain", "walks", static_cast<uint64_t>(method.walks()));
    plan.progress = nullptr;
    for (int w = 0; w < method.walks(); ++w) {
      plan.change = [&](int64_t first, const TapView& v) {
        method.change(w, first, v.T, v.C, static_cast<R*>(v.data));
      };
      ReverseWalk(model_, plan)
          .run([](Ctx&, Var, int64_t, int64_t) {},
               [&](Ctx& ctx, Var h, int64_t first, int64_t count) { back_again(method, w, ctx, h, first, count); });
      progress.step();
    }
  }

  void back_again(ReverseMethod<R>& method, int w, Ctx& ctx, Var h, int64_t first, int64_t count) {
    const int64_t row = target_ < first + count ? output_row(ctx, h, first) : -1;
    std::vector<R> seed;
    double value = 0;
    if (row >= 0) {
      const R* at = ctx.data<R>(h) + row * ctx.cols(h);  // [d_model]
      const TargetReport target = target_at(model_, report_.target, {at, at + ctx.cols(h)});
      const std::vector<double> wide = target_seed(model_, target);
      seed.assign(wide.begin(), wide.end());
      value = target.value();
    }
    const auto views = mixer_views<R>(ctx);
    const Orders orders = Orders::of<R>(ctx, h);
    method.back_again(w, {ctx, h, first, count, row, seed, {}, views, orders, value});
  }

  // The pass itself was finite; an adjoint may still have outgrown its type.
  static void check_scores(const MethodReport& m) {
    for (const ScoreArray& a : m.arrays) {
      if (!a.by_token()) continue;
      const std::span<const double> scores = a.tokens();
      const int64_t bad = kernels::first_non_finite(std::ssize(scores), scores.data());
      check(bad < 0, ErrorCode::kData,
            "[explain] expected finite scores, found {} at token {} of {}: the adjoint left the range of its numbers; "
            "try --dtype f64",
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
  ExplainReport report_;
  std::vector<R> seed_, frozen_seed_;        // [d_model]
  std::vector<std::vector<double>> states_;  // per mixer, for the independent check
  std::unique_ptr<RowScan<R>> rows_;
  std::vector<std::unique_ptr<ReverseMethod<R>>> methods_;
};

// Seconds to explain the first n tokens, in two chunks, so that all but half of them are recorded twice as usual.
template <class R>
double timed(const Model& model, const ExplainRequest& request, const PassProbe& probe, int64_t n) {
  const int64_t F = feature_dim(model);
  ExplainRequest few = request;
  few.tokens.resize(F > 0 ? 0 : static_cast<size_t>(n));
  few.features.resize(static_cast<size_t>(F * n));
  few.progress = nullptr;
  std::erase_if(few.methods, [](const MethodSpec& m) { return m.reruns() > 0; });
  const ExplainPlan plan{probe, {}, {.tokens = n, .chunk = probe.whole ? n : (n + 1) / 2, .quadratic_layers = {}}};
  const auto start = std::chrono::steady_clock::now();
  Explainer<R>(model, few, plan, n - 1).run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Replaces the guess by what this machine makes of one token in 64, and what grows with the square of the tokens by
// what four times as many take.
template <class R>
void time_it(const Model& model, const ExplainRequest& r, ExplainPlan& p) {
  ExplainEstimate& e = p.estimate;
  if (e.seconds < kWorthTiming || p.probe.reordered) return;
  const int64_t few = std::clamp<int64_t>(e.tokens / 64, 8, 256);
  if (e.tokens < 2 * few) return;
  timed<R>(model, r, p.probe, std::min<int64_t>(few, 16));  // pages of weights and buffers that are touched once
  const double T = static_cast<double>(e.tokens), n = static_cast<double>(few);
  const double guess = e.seconds - e.causal_seconds - e.quadratic_seconds;
  const double linear = timed<R>(model, r, p.probe, few) / n * T;
  if (e.quadratic_seconds > 0.1 * linear && e.tokens >= 16 * few) {
    const double more = timed<R>(model, r, p.probe, 4 * few) / (4 * n);
    e.quadratic_seconds = std::max(0.0, more - linear / T) / (3 * n) * T * T;
  }
  e.causal_seconds *= linear / guess;
  e.seconds = linear + e.quadratic_seconds + e.causal_seconds;
}

ExplainPlan timed_plan(const Model& model, const ExplainRequest& r, int64_t target) {
  ExplainPlan p = make_explain_plan(model, r, target);
  if (model.compute() == DType::kF64)
    time_it<double>(model, r, p);
  else
    time_it<float>(model, r, p);
  return p;
}

}  // namespace

ExplainEstimate estimate_explain(const Model& model, const ExplainRequest& request) {
  check_request(model, request);
  return timed_plan(model, request, resolve_target(model, request)).estimate;
}

std::string to_text(const ExplainEstimate& e) {
  std::string out = fmt::format("{}: about {:.0f} s and {} MiB", counted(e.tokens, "token"), std::ceil(e.seconds),
                                (e.bytes >> 20) + 1);
  if (e.quadratic_layers.empty()) return out;
  return out + fmt::format(", {:.0f} s of it in the attention of layers {}, which grows with the square of the tokens",
                           std::ceil(e.quadratic_seconds), fmt::join(e.quadratic_layers, ", "));
}

ExplainReport explain(const Model& model, const ExplainRequest& request) {
  const SequenceState from_weights = request.state_in == nullptr ? model.initial_state() : SequenceState();
  if (!from_weights.empty()) {  // it has a share of the target as any state before the text has
    ExplainRequest with_start = request;
    with_start.state_in = &from_weights;
    return explain(model, with_start);
  }
  const auto start = std::chrono::steady_clock::now();
  check_request(model, request);
  const int64_t target = resolve_target(model, request);
  const int64_t limit = request.mem_limit > 0 ? request.mem_limit : available_memory();
  ExplainPlan plan = make_explain_plan(model, request, target);
  if (plan.estimate.bytes <= limit && request.on_estimate) plan = timed_plan(model, request, target);
  check(plan.estimate.bytes <= limit, ErrorCode::kResource,
        "[explain] expected at most {} MiB, found {} in chunks of {}; raise the limit or explain fewer tokens",
        limit >> 20, to_text(plan.estimate), plan.estimate.chunk);
  if (request.on_estimate) request.on_estimate(plan.estimate);
  ExplainReport report = model.compute() == DType::kF64 ? Explainer<double>(model, request, plan, target).run()
                                                        : Explainer<float>(model, request, plan, target).run();
  describe_tokens(model, request, report);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  report.peak_bytes = static_cast<int64_t>(usage.ru_maxrss) * 1024;
  return report;
}

}  // namespace hindscan
