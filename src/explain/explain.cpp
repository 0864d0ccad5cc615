#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "explain/methods.h"
#include "explain/report.h"
#include "explain/reverse_walk.h"
#include "explain/target.h"
#include "explain/token_text.h"

namespace hindscan {

namespace {

constexpr int64_t kWindow = 512;  // tokens before the target whose adjoint is kept for causal checks
constexpr int64_t kSmallestChunk = 16;

int64_t resolve_target(const ExplainRequest& r) {
  const int64_t T = static_cast<int64_t>(r.tokens.size());
  check(T > 0, ErrorCode::kUsage, "[explain] expected at least one token, found none; give a prompt");
  const int64_t target = r.target < 0 ? T + r.target : r.target;
  check(target >= 0 && target < T, ErrorCode::kUsage, "[explain] target {} is outside the {} tokens of the prompt",
        r.target, T);
  return target;
}

void check_request(const Model& model, const ExplainRequest& r) {
  const int64_t V = model.arch().head().rows();
  model.check_tokens(r.tokens);
  const auto known = [&](int32_t id, const char* what) {
    check(id >= 0 && id < V, ErrorCode::kUsage, "[explain] {} token id {} is outside the vocabulary 0..{}", what, id,
          V - 1);
  };
  if (r.target_id) known(*r.target_id, "target");
  if (r.contrast == Contrast::kId) known(r.contrast_id, "contrast");
  check(!r.methods.empty(), ErrorCode::kUsage, "[explain] expected at least one method, found none");
  check(r.chunk > 0, ErrorCode::kUsage, "[explain] expected a chunk of at least 1 token, found {}", r.chunk);
}

// Numbers per token that stay for the whole text: scores of every method and their layer maps.
int64_t kept_bytes(const Model& model, const ExplainRequest& r) {
  const ArchitectureSizes sizes = model.arch().sizes();
  const int64_t T = static_cast<int64_t>(r.tokens.size());
  const int64_t maps = static_cast<int64_t>(r.methods.size()) + 2;
  const int64_t state = sizes.state_numbers * static_cast<int64_t>(dtype_size(model.compute()));
  return T * (maps * (8 + 4 * sizes.n_layer) + 20 * sizes.n_layer) + (T / r.chunk + 1) * state;
}

// The chunk asked for, or the largest half of it that fits the limit.
int64_t fitting_chunk(const Model& model, const ExplainRequest& r, int64_t tokens) {
  const int64_t limit = r.mem_limit > 0 ? r.mem_limit : available_memory();
  const int64_t kept = kept_bytes(model, r), each = recorded_bytes_per_token(model, r.tokens);
  int64_t chunk = r.chunk;
  while (chunk > kSmallestChunk && kept + each * std::min(chunk, tokens) > limit) chunk = (chunk + 1) / 2;
  const int64_t need = kept + each * std::min(chunk, tokens);
  check(need <= limit, ErrorCode::kResource,
        "[explain] {} tokens need about {} MiB in chunks of {} and the limit is {} MiB; raise the limit or explain "
        "fewer tokens",
        tokens, (need >> 20) + 1, chunk, limit >> 20);
  return chunk;
}

template <class R>
class Explainer {
 public:
  Explainer(const Model& model, const ExplainRequest& request, int64_t target)
      : model_(model), request_(request), target_(target) {}

  ExplainReport run() {
    const int64_t tokens = target_ + 1;
    report_.chunk = fitting_chunk(model_, request_, tokens);
    WalkPlan plan;
    plan.tokens = std::span(request_.tokens).first(static_cast<size_t>(tokens));
    plan.state_in = request_.state_in;
    plan.chunk = report_.chunk;
    plan.progress = request_.progress;
    ReverseWalk walk(model_, plan);
    walk.run([this](Ctx& ctx, Var h, int64_t first, int64_t count) { forward(ctx, h, first, count); },
             [this](Ctx& ctx, Var h, int64_t first, int64_t count) { back(ctx, h, first, count); });
    finish();
    report_.window.first = window_first();
    report_.window.last = tokens;
    report_.window.state = walk.border_before(window_first(), &report_.window.state_at);
    return std::move(report_);
  }

 private:
  int64_t window_first() const { return std::max<int64_t>(0, target_ - kWindow); }

  void start(const std::vector<std::unique_ptr<MixerView<R>>>& views) {
    const WalkSizes sizes{static_cast<int64_t>(request_.tokens.size()), target_, static_cast<int64_t>(views.size()),
                          window_first()};
    states_.resize(views.size());
    for (const auto& view : views) report_.layers.push_back({view->layer, view->kind, 0, 0});
    rows_ = std::make_unique<RowScan<R>>(sizes);
    for (Method m : request_.methods) {
      switch (m) {
        case Method::kRow:
          methods_.push_back(make_row<R>(sizes, *rows_));
          break;
        case Method::kRollout:
          methods_.push_back(make_rollout<R>(sizes));
          break;
        case Method::kGradientXInput:
          methods_.push_back(make_gradient_x_input<R>(sizes));
          break;
        case Method::kFrozen:
          methods_.push_back(make_frozen<R>(sizes));
          break;
      }
    }
  }

  void forward(Ctx& ctx, Var h, int64_t first, int64_t count) {
    const auto views = mixer_views<R>(ctx);
    if (first == 0) start(views);
    std::vector<double> residual(static_cast<size_t>(count));  // [count]
    for (size_t l = 0; l < views.size(); ++l) {
      views[l]->forward_residual(states_[l], residual.data());
      for (double r : residual)
        report_.layers[l].max_residual = std::isnan(r) ? r : std::max(report_.layers[l].max_residual, r);
    }
    if (first + count <= target_) return;
    const int64_t C = ctx.cols(h);
    report_.target = choose_target(model_, request_, target_, ctx.data<R>(h) + (target_ - first) * C);
    const std::vector<double> seed = target_seed(model_, report_.target);
    seed_.assign(seed.begin(), seed.end());
  }

  void back(Ctx& ctx, Var h, int64_t first, int64_t count) {
    const auto views = mixer_views<R>(ctx);
    const Chunk<R> chunk{ctx, h, first, count, target_ < first + count ? target_ - first : -1, seed_, views};
    rows_->back(chunk);
    for (auto& method : methods_) method->back(chunk);
  }

  void finish() {
    for (auto& method : methods_) report_.methods.push_back(method->finish(request_.state_in, report_.target.value()));
    const std::vector<double> residuals = rows_->residuals();
    for (size_t l = 0; l < residuals.size(); ++l) {
      LayerReport& layer = report_.layers[l];
      layer.target_residual = residuals[l];
      layer.max_residual = std::isnan(residuals[l]) ? residuals[l] : std::max(layer.max_residual, residuals[l]);
    }
  }

  const Model& model_;
  const ExplainRequest& request_;
  int64_t target_;
  ExplainReport report_;
  std::vector<R> seed_;                      // [d_model]
  std::vector<std::vector<double>> states_;  // per mixer, for the independent check
  std::unique_ptr<RowScan<R>> rows_;
  std::vector<std::unique_ptr<ReverseMethod<R>>> methods_;
};

}  // namespace

ExplainReport explain(const Model& model, const ExplainRequest& request) {
  const auto start = std::chrono::steady_clock::now();
  const int64_t target = resolve_target(request);
  check_request(model, request);
  ExplainReport report = model.compute() == DType::kF64 ? Explainer<double>(model, request, target).run()
                                                        : Explainer<float>(model, request, target).run();
  describe_tokens(model, request.tokens, report);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  report.peak_bytes = static_cast<int64_t>(usage.ru_maxrss) * 1024;
  return report;
}

}  // namespace hindscan
