// What gemm.cpp chooses from.
#pragma once
#include <string>

#include "kernels/gemm.h"

namespace hindscan::kernels {

// Our own blocked kernel: any ISA, result independent of the number of threads.
void gemm_own(const GemmShape&, const float* A, int64_t lda, const float* B, int64_t ldb, float beta, float* C,
              int64_t ldc);

// Products of few rows: W [N, K] is streamed once, one row at a time, in its storage type. M < 8.
void gemv_rows(int64_t M, int64_t N, int64_t K, const float* x, const void* W, DType w_type, float* y);

// oneDNN. usable: built in and allowed to run at this ISA. Types of A and B: f32 or bf16.
bool onednn_usable();
bool onednn_has_bf16();
const char* onednn_isa();
std::string onednn_version();  // of the library that is loaded; "none" in a build without it
void gemm_onednn(const GemmShape&, DType type, const void* A, int64_t lda, const void* B, int64_t ldb, float beta,
                 float* C, int64_t ldc);

}  // namespace hindscan::kernels
