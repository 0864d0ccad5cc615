// Our blocked f32 product: packed panels, a register tile of 6 rows, k summed in fixed blocks.
#include <hwy/aligned_allocator.h>

#include "kernels/dispatch.h"
#include "kernels/gemm_backend.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm_own.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/vector_math-inl.h"

#ifndef HINDSCAN_GEMM_OWN_BLOCKS_
#define HINDSCAN_GEMM_OWN_BLOCKS_
namespace hindscan::kernels {

constexpr int64_t kTileRows = 6;
constexpr int64_t kBlockK = 256, kBlockM = 768, kBlockN = 4096;  // packed: A 768 KiB, B 4 MiB
constexpr int64_t kItemRows = 48, kItemCols = 256;               // what one thread takes at a time

// One packed block and where its result goes; packed A [M/6, K, 6], packed B [N/width, K, width], zero-padded.
struct PackedBlock {
  int64_t M, N, K;
  const float* A;
  const float* B;
  bool accumulate;
  float* C;
  int64_t ldc;
};

}  // namespace hindscan::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels {
namespace HWY_NAMESPACE {

using Tag = hn::ScalableTag<float>;
using Vec = hn::VFromD<Tag>;
#if HWY_TARGET == HWY_AVX3
constexpr int kTileVectors = 4;  // 24 of 32 registers
#else
constexpr int kTileVectors = 2;  // 12 of 16 registers
#endif

int64_t TileCols() { return kTileVectors * static_cast<int64_t>(hn::Lanes(Tag())); }

HWY_INLINE void store_tile(const Vec (&sum)[kTileRows][kTileVectors], int64_t rows, int64_t cols, bool accumulate,
                           float* C, int64_t ldc) {
  const Tag d;
  const int64_t L = static_cast<int64_t>(hn::Lanes(d));
  const bool whole = rows == kTileRows && cols == kTileVectors * L;
  HWY_ALIGN float edge[kTileRows * kTileVectors * HWY_MAX_BYTES / sizeof(float)];
  float* out = whole ? C : edge;
  const int64_t stride = whole ? ldc : kTileVectors * L;
  for (int64_t r = 0; r < kTileRows; ++r) {
    for (int v = 0; v < kTileVectors; ++v) {
      float* p = out + r * stride + v * L;
      hn::StoreU(whole && accumulate ? hn::Add(hn::LoadU(d, p), sum[r][v]) : sum[r][v], d, p);
    }
  }
  for (int64_t r = 0; !whole && r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      C[r * ldc + c] = (accumulate ? C[r * ldc + c] : 0.0f) + edge[r * stride + c];
    }
  }
}

HWY_INLINE void multiply_tile(int64_t K, const float* a, const float* b, Vec (&sum)[kTileRows][kTileVectors]) {
  const Tag d;
  const int64_t L = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t k = 0; k < K; ++k, a += kTileRows, b += kTileVectors * L) {
    Vec bv[kTileVectors];
    for (int v = 0; v < kTileVectors; ++v) bv[v] = hn::Load(d, b + v * L);
#pragma GCC unroll 6
    for (int64_t r = 0; r < kTileRows; ++r) {
      const Vec av = hn::Set(d, a[r]);
      for (int v = 0; v < kTileVectors; ++v) sum[r][v] = hn::MulAdd(av, bv[v], sum[r][v]);
    }
  }
}

// Rows [m0, m1) and columns [n0, n1) of the block; both start at a tile boundary.
void MultiplyItem(const PackedBlock& block, int64_t m0, int64_t m1, int64_t n0, int64_t n1) {
  const int64_t width = TileCols();
  for (int64_t n = n0; n < n1; n += width) {
    for (int64_t m = m0; m < m1; m += kTileRows) {
      Vec sum[kTileRows][kTileVectors];
      for (auto& row : sum) {
        for (Vec& v : row) v = hn::Zero(Tag());
      }
      multiply_tile(block.K, block.A + m * block.K, block.B + n * block.K, sum);
      store_tile(sum, std::min(kTileRows, m1 - m), std::min(width, n1 - n), block.accumulate,
                 block.C + m * block.ldc + n, block.ldc);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels {
namespace {

HWY_EXPORT(TileCols);
HWY_EXPORT(MultiplyItem);

// One panel: element (i, k) of the operand at from[i * i_stride + k * k_stride] goes to to[k * width + i].
void pack_panel(int64_t used, int64_t width, int64_t K, const float* from, int64_t i_stride, int64_t k_stride,
                float* to) {
  if (used < width) std::fill_n(to, K * width, 0.0f);
  for (int64_t k = 0; k < K; ++k) {
    if (i_stride == 1) {
      std::copy_n(from + k * k_stride, used, to + k * width);
    } else {
      for (int64_t i = 0; i < used; ++i) to[k * width + i] = from[i * i_stride + k * k_stride];
    }
  }
}

void pack(int64_t n, int64_t width, int64_t K, const float* from, int64_t i_stride, int64_t k_stride, float* to) {
  for_pieces(n, width, n * K, [&](int64_t begin, int64_t end) {
    pack_panel(end - begin, width, K, from + begin * i_stride, i_stride, k_stride, to + begin * K);
  });
}

void multiply_block(const PackedBlock& block) {
  const auto run = HS_DISPATCH(MultiplyItem);
  const int64_t m_items = (block.M + kItemRows - 1) / kItemRows;
  const int64_t n_items = (block.N + kItemCols - 1) / kItemCols;
  for_pieces(m_items * n_items, 1, block.M * block.N * block.K, [&](int64_t item, int64_t) {
    const int64_t m = item % m_items * kItemRows, n = item / m_items * kItemCols;
    run(block, m, std::min(block.M, m + kItemRows), n, std::min(block.N, n + kItemCols));
  });
}

struct Scratch {
  hwy::AlignedFreeUniquePtr<float[]> A = hwy::AllocateAligned<float>(kBlockM * kBlockK);
  hwy::AlignedFreeUniquePtr<float[]> B = hwy::AllocateAligned<float>(kBlockN * kBlockK);
};

}  // namespace

void gemm_own(const GemmShape& s, const float* A, int64_t lda, const float* B, int64_t ldb, float beta, float* C,
              int64_t ldc) {
  thread_local Scratch scratch_of_thread;
  Scratch& scratch = scratch_of_thread;
  const int64_t width = HS_DISPATCH(TileCols)();
  const int64_t a_m = s.trans_a ? 1 : lda, a_k = s.trans_a ? lda : 1;
  const int64_t b_n = s.trans_b ? ldb : 1, b_k = s.trans_b ? 1 : ldb;
  for (int64_t n = 0; n < s.N; n += kBlockN) {
    const int64_t nb = std::min(kBlockN, s.N - n);
    for (int64_t k = 0; k < s.K; k += kBlockK) {
      const int64_t kb = std::min(kBlockK, s.K - k);
      pack(nb, width, kb, B + n * b_n + k * b_k, b_n, b_k, scratch.B.get());
      for (int64_t m = 0; m < s.M; m += kBlockM) {
        const int64_t mb = std::min(kBlockM, s.M - m);
        pack(mb, kTileRows, kb, A + m * a_m + k * a_k, a_m, a_k, scratch.A.get());
        multiply_block({mb, nb, kb, scratch.A.get(), scratch.B.get(), k > 0 || beta != 0.0f, C + m * ldc + n, ldc});
      }
    }
  }
}

}  // namespace hindscan::kernels
#endif
