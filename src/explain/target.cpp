#include "explain/target.h"

#include <algorithm>
#include <cmath>

#include "core/ops/losses.h"
#include "explain/reverse_method.h"
#include "explain/target_measure.h"
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

// The most likely token other than these.
static int32_t best_except(const std::vector<double>& logits, std::span<const int32_t> except) {
  int32_t best = -1;
  for (int32_t v = 0; v < static_cast<int32_t>(logits.size()); ++v) {
    if (std::find(except.begin(), except.end(), v) != except.end()) continue;
    if (best < 0 || logits[static_cast<size_t>(v)] > logits[static_cast<size_t>(best)]) best = v;
  }
  return best;
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

// What a target reads of the head.
struct HeadReading {
  std::vector<int32_t> rows;
  std::vector<double> logits;
  std::vector<size_t> own, against;  // where in rows
  ReadLogits read() const { return {logits, own, against}; }
};

std::vector<int32_t> named_ids(const TargetReport& t) {
  std::vector<int32_t> out{t.id};
  out.insert(out.end(), t.also.begin(), t.also.end());
  return out;
}

std::vector<int32_t> contrast_ids(const TargetReport& t) {
  if (!t.contrast_id) return {};
  std::vector<int32_t> out{*t.contrast_id};
  out.insert(out.end(), t.contrast_also.begin(), t.contrast_also.end());
  return out;
}

// All raw logits, in the type that the model computes in.
std::vector<double> all_raw(const Model& model, const std::vector<double>& h) {
  const LogitHead head = model.arch().logit_head();
  const int64_t V = head.weight->rows(), C = head.weight->cols();
  std::vector<double> out(static_cast<size_t>(V));  // [vocab or labels]
  if (model.compute() == DType::kF64) {
    kernels::linear(1, V, C, h.data(), head.weight->data, head.weight->dtype, out.data());
  } else {
    const std::vector<float> narrow(h.begin(), h.end());
    std::vector<float> logits(out.size());
    kernels::linear(1, V, C, narrow.data(), head.weight->data, head.weight->dtype, logits.data());
    std::copy(logits.begin(), logits.end(), out.begin());
  }
  for (size_t v = 0; v < out.size(); ++v) out[v] = head.scale * out[v] + bias_of(head, static_cast<int32_t>(v));
  return out;
}

// Before the soft cap, of the rows that the target reads.
std::vector<double> raw_of(const Model& model, const TargetReport& t, const std::vector<double>& h) {
  if (target_measure(t.measure).whole) return all_raw(model, h);
  const LogitHead head = model.arch().logit_head();
  std::vector<double> out;
  for (const int32_t id : named_ids(t)) out.push_back(raw_logit(head, id, h));
  for (const int32_t id : contrast_ids(t)) out.push_back(raw_logit(head, id, h));
  return out;
}

HeadReading reading(const Model& model, const TargetReport& t, const std::vector<double>& raw) {
  const LogitHead head = model.arch().logit_head();
  HeadReading out;
  const std::vector<int32_t> own = named_ids(t), against = contrast_ids(t);
  if (target_measure(t.measure).whole) {
    for (size_t v = 0; v < raw.size(); ++v) out.rows.push_back(static_cast<int32_t>(v));
    out.own.assign(own.begin(), own.end());
  } else {
    out.rows = own;
    out.rows.insert(out.rows.end(), against.begin(), against.end());
    for (size_t i = 0; i < out.rows.size(); ++i) (i < own.size() ? out.own : out.against).push_back(i);
  }
  for (const double r : raw) out.logits.push_back(capped(head, r));
  return out;
}

// Logits and value from target.raw.
void set_value(const Model& model, TargetReport& t) {
  const HeadReading h = reading(model, t, t.raw);
  t.logit = group_logit(h.read(), h.own);
  t.contrast_logit = group_logit(h.read(), h.against);
  t.measured = target_measure(t.measure).value(h.read());
}

// What no token has a share in: the head's bias, and what the target is beside its slope times its logits.
double no_token_part(const Model& model, const TargetReport& t) {
  const LogitHead head = model.arch().logit_head();
  const HeadReading h = reading(model, t, t.raw);
  std::vector<double> slopes(h.rows.size());
  target_measure(t.measure).slope(h.read(), slopes);
  double biases = 0, linear = 0;
  for (size_t i = 0; i < slopes.size(); ++i) {
    biases += slopes[i] * slope(head, t.raw[i], true) * bias_of(head, h.rows[i]);
    linear += slopes[i] * h.logits[i];
  }
  const bool is_linear = h.rows.size() == h.own.size() + h.against.size() && h.own.size() == 1 && h.against.size() <= 1;
  return is_linear ? biases : biases + t.measured - linear;
}

TargetKind kind_of(const ArchitectureSizes& sizes) {
  if (sizes.labels == 0) return TargetKind::kToken;
  return sizes.regression || sizes.labels == 1 ? TargetKind::kNumber : TargetKind::kClass;
}

}  // namespace

template <class R>
TargetReport choose_target(const Model& model, const ExplainRequest& request, int64_t position, const R* h) {
  const LogitHead head = model.arch().logit_head();
  const std::vector<double> wide(h, h + head.weight->cols()), raw = all_raw(model, wide);
  std::vector<double> logits;  // [vocab or labels]
  for (const double r : raw) logits.push_back(capped(head, r));
  const auto V = std::ssize(logits);
  const int64_t bad = kernels::first_non_finite(V, logits.data());
  check(bad < 0, ErrorCode::kData,
        "[{}] expected finite logits, found {} for id {} at position {}; the weights or the state are damaged or too "
        "large",
        head.weight->name, bad < 0 ? 0.0 : logits[static_cast<size_t>(bad)], bad, position);
  TargetReport target;
  target.kind = kind_of(model.arch().sizes());
  target.position = position;
  target.measure = request.measure;
  target.also = request.target_also;
  target.contrast_also = request.contrast_also;
  const bool number = target.kind == TargetKind::kNumber, whole = target_measure(target.measure).whole;
  target.id = request.target_id ? *request.target_id : number ? 0 : best_except(logits, {});
  if (request.contrast == Contrast::kId) target.contrast_id = request.contrast_id;
  check(target.contrast_id != target.id, ErrorCode::kUsage,
        "[explain] expected a contrast other than the target {}, found the same; leave it out for the runner-up",
        target.id);
  const std::vector<int32_t> own = named_ids(target);
  if (request.contrast == Contrast::kAuto && V > std::ssize(own) && !number && !whole)
    target.contrast_id = best_except(logits, own);
  target.raw = raw_of(model, target, wide);
  set_value(model, target);
  target.bias = no_token_part(model, target);
  const std::vector<size_t> at(own.begin(), own.end());
  const ReadLogits all{logits, at, {}};
  if (!number) target.probability = std::exp(group_logit(all, at) - all_logits_as_one(all));
  return target;
}
template TargetReport choose_target<float>(const Model&, const ExplainRequest&, int64_t, const float*);
template TargetReport choose_target<double>(const Model&, const ExplainRequest&, int64_t, const double*);

std::vector<double> target_seed(const Model& model, const TargetReport& target, bool frozen) {
  const LogitHead head = model.arch().logit_head();
  const HeadReading read = reading(model, target, target.raw);
  std::vector<double> slopes(read.rows.size()), seed(static_cast<size_t>(head.weight->cols()));  // [rows], [d_model]
  target_measure(target.measure).slope(read.read(), slopes);
  for (size_t i = 0; i < slopes.size(); ++i) {
    const double factor = slopes[i] * head.scale * slope(head, target.raw[i], frozen);
    if (factor == 0) continue;
    const std::vector<double> row = weight_row(*head.weight, read.rows[i]);  // [d_model]
    for (size_t c = 0; c < seed.size(); ++c) seed[c] += factor * row[c];
  }
  return seed;
}

TargetReport target_at(const Model& model, TargetReport target, const std::vector<double>& h) {
  target.raw = raw_of(model, target, h);
  set_value(model, target);
  return target;
}

double target_value(const Model& model, const TargetReport& target, const std::vector<double>& h) {
  const HeadReading read = reading(model, target, raw_of(model, target, h));
  const double value = target_measure(target.measure).value(read.read());
  check(std::isfinite(value), ErrorCode::kData,
        "[{}] expected a finite target, found {}; the weights or the state are damaged or too large",
        model.arch().logit_head().weight->name, value);
  return value;
}

std::vector<double> target_values(const Model& model, const TargetReport& target, const Ctx& ctx, Var h) {
  const std::vector<int64_t>& cu = ctx.layout(h).cu;
  const int64_t C = ctx.cols(h);
  std::vector<double> out;
  for (size_t s = 0; s + 1 < cu.size(); ++s) {
    const int64_t at = (cu[s + 1] - 1) * C;
    out.push_back(ctx.with_real([&]<class R>(R) {
      const R* row = ctx.data<R>(h) + at;  // [d_model]
      return target_value(model, target, {row, row + C});
    }));
  }
  return out;
}

std::vector<double> target_log_ps(const Model& model, const TargetReport& target, const Ctx& ctx, Var h) {
  TargetReport alone = target;
  alone.measure = "log-p";
  alone.contrast_id.reset();
  alone.contrast_also.clear();
  return target_values(model, alone, ctx, h);
}

}  // namespace hindscan
