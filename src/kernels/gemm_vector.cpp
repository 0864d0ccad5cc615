// Products of few rows with row-major weights in any storage type, and bf16/f16 conversion of arrays.
#include <hwy/base.h>
#include <omp.h>

#include "kernels/dispatch.h"
#include "kernels/gemm_backend.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm_vector.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels {
namespace HWY_NAMESPACE {

struct FromF32 {
  using Storage = float;
  template <class D>
  static HWY_INLINE hn::VFromD<D> load(D d, const float* p) {
    return hn::LoadU(d, p);
  }
};
struct FromBF16 {
  using Storage = uint16_t;
  template <class D>
  static HWY_INLINE hn::VFromD<D> load(D d, const uint16_t* p) {
    const hn::RebindToUnsigned<D> du;
    const hn::Rebind<uint16_t, D> dh;
    return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LoadU(dh, p))));
  }
};
struct FromF16 {
  using Storage = uint16_t;
  template <class D>
  static HWY_INLINE hn::VFromD<D> load(D d, const uint16_t* p) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
    const hn::Rebind<uint16_t, D> dh;
    const hn::Rebind<hwy::float16_t, D> df16;
    return hn::PromoteTo(d, hn::BitCast(df16, hn::LoadU(dh, p)));
#else
    HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)];
    for (size_t i = 0; i < hn::Lanes(d); ++i) lanes[i] = f16_to_float(p[i]);
    return hn::Load(d, lanes);
#endif
  }
};

// y[m, n] for rows n in [begin, end) of W and MT rows of x. One row of W is one stream: hardware prefetch likes it
// best.
template <int MT, class From>
void gemv_tile(int64_t begin, int64_t end, int64_t N, int64_t K, const float* x, const typename From::Storage* W,
               float* y) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  using V = hn::VFromD<decltype(d)>;
  constexpr int kUnroll = MT == 1 ? 4 : MT <= 3 ? 2 : 1;
  const int64_t L = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t n = begin; n < end; ++n) {
    const auto* w = W + n * K;
    V sum[MT][kUnroll];
#pragma GCC unroll 8
    for (int m = 0; m < MT; ++m) {
#pragma GCC unroll 4
      for (int u = 0; u < kUnroll; ++u) sum[m][u] = hn::Zero(d);
    }
    int64_t k = 0;
    for (; k + kUnroll * L <= K; k += kUnroll * L) {
#pragma GCC unroll 4
      for (int u = 0; u < kUnroll; ++u) {
        const V wv = From::load(d, w + k + u * L);
#pragma GCC unroll 8
        for (int m = 0; m < MT; ++m) sum[m][u] = hn::MulAdd(wv, hn::LoadU(d, x + m * K + k + u * L), sum[m][u]);
      }
    }
    for (; k + L <= K; k += L) {
      const V wv = From::load(d, w + k);
#pragma GCC unroll 8
      for (int m = 0; m < MT; ++m) sum[m][0] = hn::MulAdd(wv, hn::LoadU(d, x + m * K + k), sum[m][0]);
    }
#pragma GCC unroll 8
    for (int m = 0; m < MT; ++m) {
      V all = sum[m][0];
#pragma GCC unroll 4
      for (int u = 1; u < kUnroll; ++u) all = hn::Add(all, sum[m][u]);
      float total = hn::GetLane(hn::SumOfLanes(d, all));
      for (int64_t r = k; r < K; ++r) total += hn::GetLane(From::load(d1, w + r)) * x[m * K + r];
      y[m * N + n] = total;
    }
  }
}

template <class From>
void gemv_typed(int64_t begin, int64_t end, int64_t M, int64_t N, int64_t K, const float* x, const void* W, float* y) {
  const auto* w = static_cast<const typename From::Storage*>(W);
  switch (M) {
    case 1:
      return gemv_tile<1, From>(begin, end, N, K, x, w, y);
    case 2:
      return gemv_tile<2, From>(begin, end, N, K, x, w, y);
    case 3:
      return gemv_tile<3, From>(begin, end, N, K, x, w, y);
    case 4:
      return gemv_tile<4, From>(begin, end, N, K, x, w, y);
    case 5:
      return gemv_tile<5, From>(begin, end, N, K, x, w, y);
    case 6:
      return gemv_tile<6, From>(begin, end, N, K, x, w, y);
    case 7:
      return gemv_tile<7, From>(begin, end, N, K, x, w, y);
  }
}

void GemvRange(int64_t begin, int64_t end, int64_t M, int64_t N, int64_t K, const float* x, const void* W, DType w_type,
               float* y) {
  if (w_type == DType::kF32) return gemv_typed<FromF32>(begin, end, M, N, K, x, W, y);
  if (w_type == DType::kBF16) return gemv_typed<FromBF16>(begin, end, M, N, K, x, W, y);
  gemv_typed<FromF16>(begin, end, M, N, K, x, W, y);
}

void Widen(int64_t n, const uint16_t* from, DType from_type, float* to) {
  if (from_type == DType::kBF16) {
    for_lanes(n, [&](auto d, int64_t i) { hn::StoreU(FromBF16::load(d, from + i), d, to + i); });
  } else {
    for_lanes(n, [&](auto d, int64_t i) { hn::StoreU(FromF16::load(d, from + i), d, to + i); });
  }
}

// Round to nearest even on the bits; a NaN keeps its top bits and becomes quiet.
void NarrowBF16(int64_t n, const float* from, uint16_t* to) {
  for_lanes(n, [&](auto d, int64_t i) {
    const hn::RebindToUnsigned<decltype(d)> du;
    const hn::Rebind<uint16_t, decltype(d)> dh;
    const auto v = hn::LoadU(d, from + i);
    const auto bits = hn::BitCast(du, v);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
    const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(du, 0x7fff)), odd));
    const auto quiet = hn::Or(hn::ShiftRight<16>(bits), hn::Set(du, 0x40));
    const auto is_number = hn::RebindMask(du, hn::Eq(v, v));
    const auto half = hn::IfThenElse(is_number, rounded, quiet);
    hn::StoreU(hn::TruncateTo(dh, half), dh, to + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels {
HWY_EXPORT(GemvRange);
HWY_EXPORT(Widen);
HWY_EXPORT(NarrowBF16);

void gemv_rows(int64_t M, int64_t N, int64_t K, const float* x, const void* W, DType w_type, float* y) {
  const auto run = HS_DISPATCH(GemvRange);
  // One contiguous range of rows per thread: one stream each.
#pragma omp parallel if (N > 1 && N * K >= kParallelElements)
  {
    const int64_t threads = omp_get_num_threads(), rank = omp_get_thread_num();
    run(N * rank / threads, N * (rank + 1) / threads, M, N, K, x, W, w_type, y);
  }
}

void convert(const uint16_t* from, float* to, int64_t n, DType from_type) {
  const auto run = HS_DISPATCH(Widen);
  for_elements(n, [&](int64_t b, int64_t e) { run(e - b, from + b, from_type, to + b); });
}

void convert(const float* from, uint16_t* to, int64_t n, DType to_type) {
  if (to_type == DType::kBF16) {
    const auto run = HS_DISPATCH(NarrowBF16);
    for_elements(n, [&](int64_t b, int64_t e) { run(e - b, from + b, to + b); });
  } else {
    for_elements(n, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) to[i] = float_to_f16(from[i]);
    });
  }
}

}  // namespace hindscan::kernels
#endif
