#include "model/head_rows.h"

#include <algorithm>
#include <cmath>

#include "core/ops/losses.h"
#include "kernels/finite.h"
#include "kernels/gemm.h"

namespace hindscan {

// [count, V] in place: soft_cap tanh((scale x + bias) / soft_cap).
template <class R>
static void finish_logits(const LogitHead& head, int64_t count, int64_t V, R* rows) {
  if (head.bias == nullptr && head.scale == 1 && head.soft_cap <= 0) return;
  const R* bias = head.bias != nullptr ? head.bias->as<R>() : nullptr;
  const R scale = static_cast<R>(head.scale), cap = static_cast<R>(head.soft_cap);
  for (int64_t i = 0; i < count * V; ++i) {
    const R x = scale * rows[i] + (bias != nullptr ? bias[i % V] : R(0));
    rows[i] = cap > 0 ? cap * std::tanh(x / cap) : x;
  }
}

void head_rows(const Model& model, const double* h, int64_t count, float* out) {
  const LogitHead head = model.arch().logit_head();
  const Weight& w = *head.weight;
  const int64_t V = w.rows();
  std::vector<double> wide(static_cast<size_t>(count * V));  // [count, vocab]
  kernels::linear(count, V, w.cols(), h, w.data, w.dtype, wide.data());
  finish_logits(head, count, V, wide.data());
  std::transform(wide.begin(), wide.end(), out, [](double v) { return static_cast<float>(v); });
}

void head_rows(const Model& model, const float* h, int64_t count, float* out) {
  const LogitHead head = model.arch().logit_head();
  const Weight& w = *head.weight;
  kernels::linear(count, w.rows(), w.cols(), h, w.data, w.dtype, out);
  finish_logits(head, count, w.rows(), out);
}

void check_logits(const Model& model, int64_t position, int64_t count, const float* rows, const std::string& of) {
  const int64_t V = model.arch().head().rows(), bad = kernels::first_non_finite(count * V, rows);
  check(bad < 0, ErrorCode::kData,
        "[{}] expected finite logits, found {} for token {} at position {}{}; the weights or the state are damaged or "
        "too large",
        model.arch().head().name, bad < 0 ? 0.0f : rows[bad], bad % V, position + bad / V, of);
}

}  // namespace hindscan
