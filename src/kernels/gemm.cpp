// Chooses the kernel for a product.
#include "kernels/gemm.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "kernels/gemm_backend.h"
#include "kernels/pointwise.h"

namespace hindscan::kernels {
namespace {

constexpr int64_t kGemvRows = 8;  // from here on a GEMM beats streaming the weights

// Empty products: C is zeroed or kept. True when nothing is left to do.
bool trivial(const GemmShape& s, float beta, float* C, int64_t ldc) {
  if (s.M > 0 && s.N > 0 && s.K > 0) return false;
  for (int64_t m = 0; m < s.M && beta == 0.0f; ++m) std::fill_n(C + m * ldc, s.N, 0.0f);
  return true;
}

// Contiguous f32 copy of a bf16 matrix as stored.
std::vector<float> widened(int64_t rows, int64_t cols, const uint16_t* from, int64_t ld) {
  std::vector<float> out(static_cast<size_t>(rows * cols));  // [rows, cols]
  for (int64_t r = 0; r < rows; ++r) convert(from + r * ld, out.data() + r * cols, cols, DType::kBF16);
  return out;
}

// W is 16-bit: panels of rows are widened to f32, so that activations keep their precision.
void linear_widened(int64_t M, int64_t N, int64_t K, const float* x, const uint16_t* W, DType w_type, float* y) {
  constexpr int64_t kPanelElements = int64_t{1} << 18;
  const int64_t panel_rows = std::clamp<int64_t>(kPanelElements / std::max<int64_t>(K, 1), 1, N);
  std::vector<float> panel(static_cast<size_t>(panel_rows * K));  // [panel_rows, K]
  for (int64_t n = 0; n < N; n += panel_rows) {
    const int64_t rows = std::min(panel_rows, N - n);
    convert(W + n * K, panel.data(), rows * K, w_type);
    gemm({M, rows, K, false, true}, x, K, panel.data(), K, 0.0f, y + n, N);
  }
}

}  // namespace

void gemm(const GemmShape& s, const float* A, int64_t lda, const float* B, int64_t ldb, float beta, float* C,
          int64_t ldc) {
  if (trivial(s, beta, C, ldc)) return;
  if (onednn_usable()) {
    gemm_onednn(s, DType::kF32, A, lda, B, ldb, beta, C, ldc);
  } else {
    gemm_own(s, A, lda, B, ldb, beta, C, ldc);
  }
}

void gemm_bf16(const GemmShape& s, const uint16_t* A, int64_t lda, const uint16_t* B, int64_t ldb, float beta, float* C,
               int64_t ldc) {
  if (trivial(s, beta, C, ldc)) return;
  if (has_bf16()) return gemm_onednn(s, DType::kBF16, A, lda, B, ldb, beta, C, ldc);
  const int64_t a_rows = s.trans_a ? s.K : s.M, a_cols = s.trans_a ? s.M : s.K;
  const int64_t b_rows = s.trans_b ? s.N : s.K, b_cols = s.trans_b ? s.K : s.N;
  const std::vector<float> a = widened(a_rows, a_cols, A, lda);  // as stored
  const std::vector<float> b = widened(b_rows, b_cols, B, ldb);  // as stored
  gemm(s, a.data(), a_cols, b.data(), b_cols, beta, C, ldc);
}

void linear(int64_t M, int64_t N, int64_t K, const float* x, const void* W, DType w_type, float* y) {
  if (w_type == DType::kF64) {
    const auto* wide = static_cast<const double*>(W);
    std::vector<float> narrow(static_cast<size_t>(N * K));  // [N, K]
    std::transform(wide, wide + N * K, narrow.begin(), [](double v) { return static_cast<float>(v); });
    return linear(M, N, K, x, narrow.data(), DType::kF32, y);
  }
  if (M < kGemvRows) return gemv_rows(M, N, K, x, W, w_type, y);
  if (w_type == DType::kF32) return gemm({M, N, K, false, true}, x, K, static_cast<const float*>(W), K, 0.0f, y, N);
  linear_widened(M, N, K, x, static_cast<const uint16_t*>(W), w_type, y);
}

bool has_bf16() { return onednn_usable() && onednn_has_bf16(); }

const char* gemm_isa() {
  static const std::string text = onednn_usable() ? onednn_isa() : std::string("own ") + pointwise_isa();
  return text.c_str();
}

}  // namespace hindscan::kernels
