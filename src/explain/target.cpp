#include "explain/target.h"

#include <algorithm>
#include <cmath>

#include "core/ops/losses.h"
#include "explain/reverse_method.h"
#include "kernels/finite.h"
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

const Weight* embedding_table(const Ctx& ctx) {
  for (const OpNode& node : ctx.nodes()) {
    if (node.role == Role::kEmbedding && !node.weights.empty()) return node.weights[0];
  }
  return nullptr;
}

static double bias_of(const LogitHead& head, int32_t id) {
  if (head.bias == nullptr) return 0;
  const size_t at = static_cast<size_t>(id);
  return head.bias->dtype == DType::kF64 ? head.bias->as<double>()[at]
                                         : static_cast<double>(head.bias->as<float>()[at]);
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
static double log_p_of(const std::vector<R>& logits, int32_t id) {
  const double top = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (R v : logits) sum += std::exp(static_cast<double>(v) - top);
  return static_cast<double>(logits[static_cast<size_t>(id)]) - top - std::log(sum);
}

namespace {

double raw_logit(const LogitHead& head, int32_t id, const std::vector<double>& h) {
  const std::vector<double> w = weight_row(*head.weight, id);
  const double dot = row_dot(static_cast<int64_t>(h.size()), w.data(), h.data());
  return head.scale == 1 && head.bias == nullptr ? dot : head.scale * dot + bias_of(head, id);
}

double capped(const LogitHead& head, double raw) {
  return head.soft_cap > 0 ? head.soft_cap * std::tanh(raw / head.soft_cap) : raw;
}

// Held slope: y = slope * x. Exact: the derivative.
double slope(const LogitHead& head, double raw, bool frozen) {
  if (head.soft_cap <= 0) return 1;
  const double t = std::tanh(raw / head.soft_cap);
  if (frozen) return raw == 0 ? 1 : head.soft_cap * t / raw;
  return 1 - t * t;
}

template <class R>
void apply_head(const LogitHead& head, std::vector<R>& logits) {
  if (head.scale == 1 && head.bias == nullptr && head.soft_cap <= 0) return;
  for (size_t v = 0; v < logits.size(); ++v) {
    const double raw = head.scale * static_cast<double>(logits[v]) + bias_of(head, static_cast<int32_t>(v));
    logits[v] = static_cast<R>(capped(head, raw));
  }
}

template <class R>
std::vector<R> all_logits(const LogitHead& head, const R* h) {
  const int64_t V = head.weight->rows(), C = head.weight->cols();
  std::vector<R> logits(static_cast<size_t>(V));  // [vocab or labels]
  kernels::linear(1, V, C, h, head.weight->data, head.weight->dtype, logits.data());
  apply_head(head, logits);
  return logits;
}

TargetKind kind_of(const ArchitectureSizes& sizes) {
  if (sizes.labels == 0) return TargetKind::kToken;
  return sizes.regression || sizes.labels == 1 ? TargetKind::kNumber : TargetKind::kClass;
}

}  // namespace

template <class R>
TargetReport choose_target(const Model& model, const ExplainRequest& request, int64_t position, const R* h) {
  const LogitHead head = model.arch().logit_head();
  const int64_t V = head.weight->rows(), C = head.weight->cols();
  const std::vector<R> logits = all_logits(head, h);
  const int64_t bad = kernels::first_non_finite(V, logits.data());
  check(bad < 0, ErrorCode::kData,
        "[{}] expected finite logits, found {} for id {} at position {}; the weights or the state are damaged or too "
        "large",
        head.weight->name, bad < 0 ? R(0) : logits[static_cast<size_t>(bad)], bad, position);
  TargetReport target;
  target.kind = kind_of(model.arch().sizes());
  target.position = position;
  const bool number = target.kind == TargetKind::kNumber;
  target.id = request.target_id ? *request.target_id : number ? 0 : best_except(logits, -1);
  if (request.contrast == Contrast::kId) target.contrast_id = request.contrast_id;
  check(target.contrast_id != target.id, ErrorCode::kUsage,
        "[explain] expected a contrast other than the target {}, found the same; leave it out for the runner-up",
        target.id);
  if (request.contrast == Contrast::kAuto && V > 1 && !number) target.contrast_id = best_except(logits, target.id);
  const std::vector<double> wide(h, h + C);  // [d_model]
  target.raw = raw_logit(head, target.id, wide);
  target.logit = capped(head, target.raw);
  target.bias = slope(head, target.raw, true) * bias_of(head, target.id);
  if (target.contrast_id) {
    target.contrast_raw = raw_logit(head, *target.contrast_id, wide);
    target.contrast_logit = capped(head, target.contrast_raw);
    target.bias -= slope(head, target.contrast_raw, true) * bias_of(head, *target.contrast_id);
  }
  if (!number) target.probability = std::exp(log_p_of(logits, target.id));
  return target;
}
template TargetReport choose_target<float>(const Model&, const ExplainRequest&, int64_t, const float*);
template TargetReport choose_target<double>(const Model&, const ExplainRequest&, int64_t, const double*);

std::vector<double> target_seed(const Model& model, const TargetReport& target, bool frozen) {
  const LogitHead head = model.arch().logit_head();
  std::vector<double> seed = weight_row(*head.weight, target.id);  // [d_model]
  const double own = head.scale * slope(head, target.raw, frozen);
  for (double& s : seed) s *= own;
  if (!target.contrast_id) return seed;
  const std::vector<double> other = weight_row(*head.weight, *target.contrast_id);
  const double against = head.scale * slope(head, target.contrast_raw, frozen);
  for (size_t c = 0; c < seed.size(); ++c) seed[c] -= against * other[c];
  return seed;
}

TargetReport target_at(const Model& model, TargetReport target, const std::vector<double>& h) {
  const LogitHead head = model.arch().logit_head();
  target.raw = raw_logit(head, target.id, h);
  target.logit = capped(head, target.raw);
  if (!target.contrast_id) return target;
  target.contrast_raw = raw_logit(head, *target.contrast_id, h);
  target.contrast_logit = capped(head, target.contrast_raw);
  return target;
}

double target_value(const Model& model, const TargetReport& target, const std::vector<double>& h) {
  const LogitHead head = model.arch().logit_head();
  double value = capped(head, raw_logit(head, target.id, h));
  if (target.contrast_id) value -= capped(head, raw_logit(head, *target.contrast_id, h));
  check(std::isfinite(value), ErrorCode::kData,
        "[{}] expected a finite target, found {}; the weights or the state are damaged or too large", head.weight->name,
        value);
  return value;
}

// f of what the head reads at the end of each sequence ([d_model]).
template <class F>
static std::vector<double> at_ends(const Ctx& ctx, Var h, F&& f) {
  const std::vector<int64_t>& cu = ctx.layout(h).cu;
  std::vector<double> out;
  for (size_t s = 0; s + 1 < cu.size(); ++s)
    out.push_back(ctx.with_real([&]<class R>(R) { return f(ctx.data<R>(h) + (cu[s + 1] - 1) * ctx.cols(h)); }));
  return out;
}

std::vector<double> target_values(const Model& model, const TargetReport& target, const Ctx& ctx, Var h) {
  return at_ends(ctx, h, [&](const auto* row) { return target_value(model, target, {row, row + ctx.cols(h)}); });
}

std::vector<double> target_log_ps(const Model& model, const TargetReport& target, const Ctx& ctx, Var h) {
  const LogitHead head = model.arch().logit_head();
  return at_ends(ctx, h, [&](const auto* row) { return log_p_of(all_logits(head, row), target.id); });
}

}  // namespace hindscan
