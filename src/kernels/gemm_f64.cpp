// The double reference product: every element is summed over k in order.
#include <algorithm>
#include <vector>

#include "kernels/gemm.h"

namespace hindscan::kernels {
namespace {

// op(B) as a contiguous [K, N] when B is stored as [N, K].
std::vector<double> untransposed(int64_t N, int64_t K, const double* B, int64_t ldb) {
  std::vector<double> out(static_cast<size_t>(K * N));  // [K, N]
  for (int64_t n = 0; n < N; ++n) {
    for (int64_t k = 0; k < K; ++k) out[static_cast<size_t>(k * N + n)] = B[n * ldb + k];
  }
  return out;
}

template <class T, class Widen>
std::vector<double> widened(int64_t n, const void* from, const Widen& widen) {
  const T* data = static_cast<const T*>(from);
  std::vector<double> out(static_cast<size_t>(n));
  std::transform(data, data + n, out.begin(), widen);
  return out;
}

std::vector<double> widened(int64_t n, const void* from, DType type) {
  if (type == DType::kF32) return widened<float>(n, from, [](float v) { return static_cast<double>(v); });
  if (type == DType::kBF16) return widened<uint16_t>(n, from, [](uint16_t v) { return double{bf16_to_float(v)}; });
  return widened<uint16_t>(n, from, [](uint16_t v) { return double{f16_to_float(v)}; });
}

}  // namespace

void gemm(const GemmShape& s, const double* A, int64_t lda, const double* B, int64_t ldb, double beta, double* C,
          int64_t ldc) {
  const std::vector<double> flipped = s.trans_b ? untransposed(s.N, s.K, B, ldb) : std::vector<double>();
  const double* b = s.trans_b ? flipped.data() : B;
  const int64_t b_stride = s.trans_b ? s.N : ldb;
#pragma omp parallel for schedule(static) if (s.M > 1 && s.M * s.N * s.K > 100000)
  for (int64_t m = 0; m < s.M; ++m) {
    double* row = C + m * ldc;
    if (beta == 0.0) std::fill_n(row, s.N, 0.0);
    for (int64_t k = 0; k < s.K; ++k) {
      const double a = s.trans_a ? A[k * lda + m] : A[m * lda + k];
      for (int64_t n = 0; n < s.N; ++n) row[n] += a * b[k * b_stride + n];
    }
  }
}

void linear(int64_t M, int64_t N, int64_t K, const double* x, const void* W, DType w_type, double* y) {
  const std::vector<double> copy = w_type == DType::kF64 ? std::vector<double>() : widened(N * K, W, w_type);  // [N, K]
  const double* w = w_type == DType::kF64 ? static_cast<const double*>(W) : copy.data();
  gemm({M, N, K, false, true}, x, K, w, K, 0.0, y, N);
}

}  // namespace hindscan::kernels
