// Chunked forward pass of the rank-1 structure: chunks of 16 tokens, everything but a 16 x 16 triangle as matrix
// products.
#include "kernels/dispatch.h"
#include "kernels/glr/head_delta.h"
#include "kernels/glr/head_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/head_delta_chunked.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/glr/head_delta-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {

void DeltaChunkedHead(const DeltaHead& head, const float* v, float* S, float* y, float* memory) {
  const int64_t T = head.d.T, K = head.d.K, V = head.d.V;
  DeltaChunk w(head.d, memory);
  float* state = S + head.h * K * V;
  copy_in(state, K, V, w.S, w.Kp, w.Vp);
  for (int64_t t0 = 0; t0 < T; t0 += kDeltaChunk) {
    const int64_t n = HWY_MIN(kDeltaChunk, T - t0);
    prepare_chunk(head, t0, n, true, w);
    ask_for_rows(head, t0 + kDeltaChunk, t0 + 2 * kDeltaChunk);
    load_values(head, v, t0, n, w.Vp, w.WV + kDeltaChunk * w.Vp);
    read_chunk(w, true);
    for (int64_t i = 0; i < n; ++i) copy_row(w.YE + i * w.Vp, V, y + head.value_at(t0 + i), V);
    advance_state(w);
  }
  copy_out(w.S, w.Vp, K, V, state);
}

int64_t DeltaLanes() { return kDeltaLanes; }

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels::glr {

HWY_EXPORT(DeltaChunkedHead);
HWY_EXPORT(DeltaLanes);

namespace {

// Whether the first token has b = -s k, as the delta rules do in every token.
bool first_is_tied(const HeadDims& d, const HeadCoeffs<float>& c) {
  for (int64_t i = 0; i < d.K; ++i) {
    if (c.b[i] != -(c.s ? c.s[0] * c.k[i] : c.k[i])) return false;
  }
  return true;
}

}  // namespace

bool delta_chunked_exists(const HeadDims& d, const HeadCoeffs<float>& c) { return d.R == 1 && c.read == Read::kAfter; }

// Measured (lanes of 16 and of 8): token by token keeps a strip of the state in the nearest cache and does two thirds
// of the arithmetic, so that the products win by large states only, earlier where the two writes of a token are one.
bool delta_chunked_is_faster(const HeadDims& d, const HeadCoeffs<float>& c) {
  if (!delta_chunked_exists(d, c) || d.T < kDeltaChunk) return false;
  const bool wide = (*HS_DISPATCH(DeltaLanes))() == 16;
  return d.K * d.V >= (first_is_tied(d, c) ? (wide ? 96 * 64 : 40 * 40) : (wide ? 128 * 128 : 64 * 64));
}

void delta_forward_chunked(const HeadDims& d, const HeadCoeffs<float>& c, const float* v, float* S, float* y) {
  if (!delta_chunked_exists(d, c)) return delta_forward(d, c, v, S, y);
  const auto kernel = HS_DISPATCH(DeltaChunkedHead);
  const size_t size = static_cast<size_t>(DeltaChunk::size(delta_round(d.K), delta_round(d.V)));
  for_delta_heads(d, false, [&](int64_t h) {
    const auto memory = hwy::AllocateAligned<float>(size);
    (*kernel)(DeltaHead{d, c, h}, v, S, y, memory.get());
  });
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
