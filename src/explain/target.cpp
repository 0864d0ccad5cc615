#include "explain/target.h"

#include <algorithm>
#include <cmath>

#include "explain/methods.h"
#include "kernels/gemm.h"

namespace hindscan {

std::vector<double> weight_row(const Weight& w, int64_t row) {
  const int64_t C = w.cols();
  std::vector<double> out(static_cast<size_t>(C));  // [C]
  const size_t at = static_cast<size_t>(row * C);
  const auto fill = [&](const auto* from, auto&& widen) {
    std::transform(from + at, from + at + C, out.begin(), widen);
  };
  const auto same = [](auto v) { return static_cast<double>(v); };
  switch (w.dtype) {
    case DType::kF64:
      fill(static_cast<const double*>(w.data), same);
      break;
    case DType::kF32:
      fill(static_cast<const float*>(w.data), same);
      break;
    case DType::kBF16:
      fill(static_cast<const uint16_t*>(w.data), bf16_to_float);
      break;
    case DType::kF16:
      fill(static_cast<const uint16_t*>(w.data), f16_to_float);
      break;
  }
  return out;
}

const Weight& embedding_table(const Model& model) {
  const int32_t token = 0;
  Input input;
  input.tokens = std::span(&token, 1);
  CtxOptions options;
  options.record = true;
  options.compute = model.compute();
  Ctx ctx(input, std::move(options));
  model.arch().forward(ctx);
  for (const OpNode& node : ctx.nodes()) {
    if (node.role == Role::kEmbedding) return *node.weights[0];
  }
  fail(ErrorCode::kInternal, "[explain] expected an embedding in the pass, found none");
}

// The most likely token other than `except`.
template <class R>
static int32_t best_except(const std::vector<R>& logits, int64_t except) {
  int64_t best = except == 0 ? 1 : 0;
  for (int64_t v = 0; v < static_cast<int64_t>(logits.size()); ++v) {
    if (v != except && logits[static_cast<size_t>(v)] > logits[static_cast<size_t>(best)]) best = v;
  }
  return static_cast<int32_t>(best);
}

template <class R>
static double probability_of(const std::vector<R>& logits, int32_t id) {
  const double top = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (R v : logits) sum += std::exp(static_cast<double>(v) - top);
  return std::exp(static_cast<double>(logits[static_cast<size_t>(id)]) - top) / sum;
}

static double logit_of(const Weight& head, int32_t id, const std::vector<double>& h) {
  const std::vector<double> w = weight_row(head, id);
  return row_dot(static_cast<int64_t>(h.size()), w.data(), h.data());
}

template <class R>
TargetReport choose_target(const Model& model, const ExplainRequest& request, int64_t position, const R* h) {
  const Weight& head = model.arch().head();
  const int64_t V = head.rows(), C = head.cols();
  std::vector<R> logits(static_cast<size_t>(V));  // [vocab]
  kernels::linear(1, V, C, h, head.data, head.dtype, logits.data());
  TargetReport target;
  target.position = position;
  target.id = request.target_id ? *request.target_id : best_except(logits, -1);
  if (request.contrast == Contrast::kId) target.contrast_id = request.contrast_id;
  if (request.contrast == Contrast::kAuto && V > 1) target.contrast_id = best_except(logits, target.id);
  const std::vector<double> wide(h, h + C);  // [d_model]
  target.logit = logit_of(head, target.id, wide);
  if (target.contrast_id) target.contrast_logit = logit_of(head, *target.contrast_id, wide);
  target.probability = probability_of(logits, target.id);
  return target;
}
template TargetReport choose_target<float>(const Model&, const ExplainRequest&, int64_t, const float*);
template TargetReport choose_target<double>(const Model&, const ExplainRequest&, int64_t, const double*);

std::vector<double> target_seed(const Model& model, const TargetReport& target) {
  std::vector<double> seed = weight_row(model.arch().head(), target.id);  // [d_model]
  if (!target.contrast_id) return seed;
  const std::vector<double> other = weight_row(model.arch().head(), *target.contrast_id);
  for (size_t c = 0; c < seed.size(); ++c) seed[c] -= other[c];
  return seed;
}

}  // namespace hindscan
