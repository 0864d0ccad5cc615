#include "core/ops/linear_product.h"

#include "kernels/gemm.h"

namespace hindscan {

static const uint16_t* to_bf16(Ctx& ctx, const float* x, int64_t n) {
  uint16_t* out = ctx.scratch().array<uint16_t>(static_cast<size_t>(n));
  kernels::convert(x, out, n, DType::kBF16);
  return out;
}

static const char* row_pointer(const Weight& w, int64_t first) {
  return static_cast<const char*>(w.data) + static_cast<size_t>(first * w.cols()) * dtype_size(w.dtype);
}

template <class R>
void linear_forward(Ctx& ctx, const Weight& w, int64_t first, int64_t count, int64_t M, const R* x, R* y) {
  const int64_t K = w.cols();
  if constexpr (std::is_same_v<R, float>) {
    if (ctx.options().gemm == DType::kBF16 && w.bf16 != nullptr && M >= 8) {
      const ArenaScope scope(ctx.scratch());
      kernels::gemm_bf16({M, count, K, false, true}, to_bf16(ctx, x, M * K), K, w.bf16 + first * K, K, 0, y, count);
      return;
    }
  }
  kernels::linear(M, count, K, x, row_pointer(w, first), w.dtype, y);
}

template <class R>
void linear_backward(Ctx& ctx, const Weight& w, int64_t first, int64_t count, int64_t M, const R* x, const R* dy, R* dx,
                     R dx_beta, bool want_dw) {
  const int64_t K = w.cols();
  R* dw = want_dw ? ctx.options().grads->of<R>(w) + first * K : nullptr;  // [count, K]
  if constexpr (std::is_same_v<R, float>) {
    if (ctx.options().gemm == DType::kBF16 && w.bf16 != nullptr && M >= 8) {
      const ArenaScope scope(ctx.scratch());
      const uint16_t* dy16 = to_bf16(ctx, dy, M * count);
      if (dx != nullptr)
        kernels::gemm_bf16({M, K, count, false, false}, dy16, count, w.bf16 + first * K, K, dx_beta, dx, K);
      if (dw != nullptr)
        kernels::gemm_bf16({count, K, M, true, false}, dy16, count, to_bf16(ctx, x, M * K), K, 1, dw, K);
      return;
    }
    if (dx != nullptr && w.dtype != DType::kF32) {
      const ArenaScope scope(ctx.scratch());
      float* wide = ctx.scratch().array<float>(static_cast<size_t>(count * K));  // [count, K]
      kernels::convert(reinterpret_cast<const uint16_t*>(row_pointer(w, first)), wide, count * K, w.dtype);
      kernels::gemm({M, K, count, false, false}, dy, count, wide, K, dx_beta, dx, K);
      dx = nullptr;
    }
  }
  if (dx != nullptr) kernels::gemm({M, K, count, false, false}, dy, count, w.as<R>() + first * K, K, dx_beta, dx, K);
  if (dw != nullptr) kernels::gemm({count, K, M, true, false}, dy, count, x, K, R(1), dw, K);
}
template void linear_forward<float>(Ctx&, const Weight&, int64_t, int64_t, int64_t, const float*, float*);
template void linear_forward<double>(Ctx&, const Weight&, int64_t, int64_t, int64_t, const double*, double*);
template void linear_backward<float>(Ctx&, const Weight&, int64_t, int64_t, int64_t, const float*, const float*, float*,
                                     float, bool);
template void linear_backward<double>(Ctx&, const Weight&, int64_t, int64_t, int64_t, const double*, const double*,
                                      double*, double, bool);

template <class R>
void bias_backward(Ctx& ctx, const Weight& bias, int64_t first, int64_t M, int64_t C, const R* dy,
                   const LocalRule& rule) {
  const ArenaScope scope(ctx.scratch());
  R* sum = ctx.scratch().array<R>(static_cast<size_t>(C));  // [C]
  for (int64_t c = 0; c < C; ++c) sum[c] = 0;
  kernels::sum_rows(M, C, dy, sum);
  const R* b = bias.as<R>() + first;
  for (int64_t c = 0; c < C; ++c) ctx.bias_share += static_cast<double>(b[c]) * static_cast<double>(sum[c]);
  if (rule.weights) kernels::accumulate(C, sum, ctx.options().grads->of<R>(bias) + first);
}
template void bias_backward<float>(Ctx&, const Weight&, int64_t, int64_t, int64_t, const float*, const LocalRule&);
template void bias_backward<double>(Ctx&, const Weight&, int64_t, int64_t, int64_t, const double*, const LocalRule&);

}  // namespace hindscan
