// Matrix products. float: oneDNN (or our own kernel without it); double: plain loops, the reference.
// All matrices are row-major. beta is 0 (C overwritten, may hold NaN) or 1 (accumulate).
#pragma once
#include <cstdint>

#include "kernels/dtype.h"

namespace hindscan::kernels {

// C [M, N] = op(A) op(B) + beta C; op(A) is [M, K], op(B) is [K, N]; lda is the row stride of A as stored.
struct GemmShape {
  int64_t M, N, K;
  bool trans_a = false, trans_b = false;
};
void gemm(const GemmShape&, const float* A, int64_t lda, const float* B, int64_t ldb, float beta, float* C,
          int64_t ldc);
void gemm(const GemmShape&, const double* A, int64_t lda, const double* B, int64_t ldb, double beta, double* C,
          int64_t ldc);
// bf16 inputs, f32 accumulation and result. Without AVX512-BF16 the inputs are widened to f32 first.
void gemm_bf16(const GemmShape&, const uint16_t* A, int64_t lda, const uint16_t* B, int64_t ldb, float beta, float* C,
               int64_t ldc);

// y [M, N] = x [M, K] W[N, K]^T. W keeps the checkpoint's layout for every M: rows are streamed for M < 8, GEMM above.
void linear(int64_t M, int64_t N, int64_t K, const float* x, const void* W, DType w_type, float* y);
void linear(int64_t M, int64_t N, int64_t K, const double* x, const void* W, DType w_type, double* y);

void convert(const float* from, uint16_t* to, int64_t n, DType to_type);  // to_type kBF16 or kF16
void convert(const uint16_t* from, float* to, int64_t n, DType from_type);

bool has_bf16();         // AVX512-BF16 in use (false when HINDSCAN_FORCE_ISA caps it)
const char* gemm_isa();  // what the library that does the products reports, e.g. "onednn avx512_core_bf16"

}  // namespace hindscan::kernels
