// Role linear: y = x W^T + b. Adjoint: dx = dy W, dW = dy^T x; or the relevance is shared among the inputs.
#include "core/context.h"
#include "core/ops/op_support.h"
#include "core/ops/relevance.h"
#include "kernels/gemm.h"

namespace hindscan {

const uint16_t* Ctx::to_bf16(const float* x, int64_t n) {
  uint16_t* out = scratch_.array<uint16_t>(static_cast<size_t>(n));
  kernels::convert(x, out, n, DType::kBF16);
  return out;
}

static const char* row_pointer(const Weight& w, int64_t first) {
  return static_cast<const char*>(w.data) + static_cast<size_t>(first * w.cols()) * dtype_size(w.dtype);
}

template <class R>
void Ctx::linear_forward(const Weight& w, int64_t first, int64_t count, int64_t M, const R* x, R* y) {
  const int64_t K = w.cols();
  if constexpr (std::is_same_v<R, float>) {
    if (options_.gemm == DType::kBF16 && w.bf16 != nullptr && M >= 8) {
      const ArenaScope scope(scratch_);
      kernels::gemm_bf16({M, count, K, false, true}, to_bf16(x, M * K), K, w.bf16 + first * K, K, 0, y, count);
      return;
    }
  }
  kernels::linear(M, count, K, x, row_pointer(w, first), w.dtype, y);
}

template <class R>
void Ctx::linear_backward(const Weight& w, int64_t first, int64_t count, int64_t M, const R* x, const R* dy, R* dx,
                          R dx_beta, bool want_dw) {
  const int64_t K = w.cols();
  R* dw = want_dw ? options_.grads->of<R>(w) + first * K : nullptr;  // [count, K]
  if constexpr (std::is_same_v<R, float>) {
    if (options_.gemm == DType::kBF16 && w.bf16 != nullptr && M >= 8) {
      const ArenaScope scope(scratch_);
      const uint16_t* dy16 = to_bf16(dy, M * count);
      if (dx != nullptr)
        kernels::gemm_bf16({M, K, count, false, false}, dy16, count, w.bf16 + first * K, K, dx_beta, dx, K);
      if (dw != nullptr) kernels::gemm_bf16({count, K, M, true, false}, dy16, count, to_bf16(x, M * K), K, 1, dw, K);
      return;
    }
    if (dx != nullptr && w.dtype != DType::kF32) {
      const ArenaScope scope(scratch_);
      float* wide = scratch_.array<float>(static_cast<size_t>(count * K));  // [count, K]
      kernels::convert(reinterpret_cast<const uint16_t*>(row_pointer(w, first)), wide, count * K, w.dtype);
      kernels::gemm({M, K, count, false, false}, dy, count, wide, K, dx_beta, dx, K);
      dx = nullptr;
    }
  }
  if (dx != nullptr) kernels::gemm({M, K, count, false, false}, dy, count, w.as<R>() + first * K, K, dx_beta, dx, K);
  if (dw != nullptr) kernels::gemm({count, K, M, true, false}, dy, count, x, K, R(1), dw, K);
}
template void Ctx::linear_forward<float>(const Weight&, int64_t, int64_t, int64_t, const float*, float*);
template void Ctx::linear_forward<double>(const Weight&, int64_t, int64_t, int64_t, const double*, double*);
template void Ctx::linear_backward<float>(const Weight&, int64_t, int64_t, int64_t, const float*, const float*, float*,
                                          float, bool);
template void Ctx::linear_backward<double>(const Weight&, int64_t, int64_t, int64_t, const double*, const double*,
                                           double*, double, bool);

template <class R>
void Ctx::bias_backward(const Weight& bias, int64_t first, int64_t M, int64_t C, const R* dy, const LocalRule& rule) {
  const ArenaScope scope(scratch_);
  R* sum = scratch_.array<R>(static_cast<size_t>(C));  // [C]
  for (int64_t c = 0; c < C; ++c) sum[c] = 0;
  kernels::sum_rows(M, C, dy, sum);
  const R* b = bias.as<R>() + first;
  for (int64_t c = 0; c < C; ++c) bias_share += static_cast<double>(b[c]) * static_cast<double>(sum[c]);
  if (rule.weights) kernels::accumulate(C, sum, options_.grads->of<R>(bias) + first);
}
template void Ctx::bias_backward<float>(const Weight&, int64_t, int64_t, int64_t, const float*, const LocalRule&);
template void Ctx::bias_backward<double>(const Weight&, int64_t, int64_t, int64_t, const double*, const LocalRule&);

Var Ctx::linear(const Weight& w, const Weight* bias, Var x) { return linear_rows(w, bias, x, 0, w.rows()); }

Var Ctx::linear_rows(const Weight& w, const Weight* bias, Var x, int64_t first, int64_t count) {
  check(cols(x) == w.cols(), ErrorCode::kData, "[linear] {} must be [out, {}] but is [{}]", w.name, cols(x),
        fmt::join(w.shape, ", "));
  const int64_t M = rows(x);
  const Var out = make_like(x, count);  // [T, count]
  with_real([&]<class R>(R) {
    linear_forward(w, first, count, M, data<R>(x), data<R>(out));
    if (bias != nullptr) kernels::add_bias(M, count, bias->as<R>() + first, data<R>(out));
    if (!record(Role::kLinear, {x}, out, {&w, bias})) return;
    set_adjoint([=, this, &w](const LocalRule& rule) {
      if (rule.relevance) {
        const ArenaScope scope(scratch_);
        const R* wv = weight_part<R>(w, first * w.cols(), count * w.cols(), scratch_);
        const R* b = bias == nullptr ? nullptr : bias->as<R>() + first;
        bias_share += share_relevance(dense_map(M, w.cols(), count, wv, b), rule, data<R>(x), data<R>(out),
                                      grad<R>(out), scratch_, grad<R>(x));
        return;
      }
      bool accumulate = false;
      R* dx = grad_target<R>(x, &accumulate);
      linear_backward(w, first, count, M, data<R>(x), grad<R>(out), dx, R(accumulate ? 1 : 0), rule.weights);
      if (bias != nullptr) bias_backward(*bias, first, M, count, grad<R>(out), rule);
    });
  });
  return out;
}

}  // namespace hindscan
