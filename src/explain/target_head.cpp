#include "explain/target_head.h"

#include <algorithm>
#include <cmath>

#include "explain/reverse_method.h"
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

double head_bias(const LogitHead& head, int32_t id) {
  if (head.bias == nullptr) return 0;
  const size_t at = static_cast<size_t>(id);
  return head.bias->dtype == DType::kF64 ? head.bias->as<double>()[at]
                                         : static_cast<double>(head.bias->as<float>()[at]);
}

double head_logit(const LogitHead& head, int32_t id, std::span<const double> h) {
  const std::vector<double> w = weight_row(*head.weight, id);
  const double dot = row_dot(static_cast<int64_t>(h.size()), w.data(), h.data());
  return head.scale == 1 && head.bias == nullptr ? dot : head.scale * dot + head_bias(head, id);
}

double soft_capped(const LogitHead& head, double raw) {
  return head.soft_cap > 0 ? head.soft_cap * std::tanh(raw / head.soft_cap) : raw;
}

double soft_cap_slope(const LogitHead& head, double raw, bool held) {
  if (head.soft_cap <= 0) return 1;
  const double t = std::tanh(raw / head.soft_cap);
  if (held) return raw == 0 ? 1 : head.soft_cap * t / raw;
  return 1 - t * t;
}

std::vector<double> head_logits(const Model& model, std::span<const double> h) {
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
  for (size_t v = 0; v < out.size(); ++v) out[v] = head.scale * out[v] + head_bias(head, static_cast<int32_t>(v));
  return out;
}

}  // namespace hindscan
