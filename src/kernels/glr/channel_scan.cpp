// Forward scan, exact backward and row products of the channel recurrence: channels in lanes, one pass over the tokens
// for each block of channels.
#include <algorithm>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/glr/channel_reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/glr/channel_scan.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "kernels/vector_math-inl.h"

#ifndef HINDSCAN_GLR_CHANNEL_SCAN_ONCE
#define HINDSCAN_GLR_CHANNEL_SCAN_ONCE
namespace hindscan::kernels::glr {

constexpr int64_t kChannelBlock = 64;      // channels of one pass: four cache lines of every input
constexpr int64_t kChannelChunk = 64;      // tokens between kept states of the backward pass
constexpr int64_t kChannelWork = 1 << 16;  // entries below which a fork-join costs more than it saves

}  // namespace hindscan::kernels::glr
#endif

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels::glr {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using ::hindscan::kernels::HWY_NAMESPACE::for_lanes;
using ::hindscan::kernels::HWY_NAMESPACE::vexp;

template <class D>
HWY_INLINE hn::VFromD<D> load_or(D d, const float* from, int64_t at, float otherwise) {
  return from ? hn::LoadU(d, from + at) : hn::Set(d, otherwise);
}

template <class D>
HWY_INLINE void add_to(D d, float* to, int64_t at, hn::VFromD<D> value) {
  if (to) hn::StoreU(hn::Add(hn::LoadU(d, to + at), value), d, to + at);
}

// Channels [first, first + count) of tokens [begin, end). S [count]; y (null: not wanted) and states (the state before
// each token, [end - begin, count], null: not wanted).
void ChannelForward(const ChannelDims& dims, const ChannelCoeffs<float>& c, const float* v, int64_t begin, int64_t end,
                    int64_t first, int64_t count, float* S, float* y, float* states) {
  const bool before = c.read == Read::kBefore;
  for (int64_t t = begin; t < end; ++t) {
    for_lanes(count, [&](auto d, int64_t i) HWY_ATTR {
      const int64_t at = t * dims.D + first + i;
      const auto in = hn::LoadU(d, v + at), old = hn::LoadU(d, S + i);
      const auto write = c.w ? hn::Mul(hn::LoadU(d, c.w + at), in) : in;
      const auto now = hn::MulAdd(vexp(hn::LoadU(d, c.g + at)), old, write);
      hn::StoreU(now, d, S + i);
      if (states) hn::StoreU(old, d, states + (t - begin) * count + i);
      if (!y) return;
      const auto read = hn::Mul(load_or(d, c.r, at, 1.0f), before ? old : now);
      hn::StoreU(before && c.u ? hn::MulAdd(hn::LoadU(d, c.u + at), in, read) : read, d, y + at);
    });
  }
}

// The adjoint of tokens [begin, end); states as ChannelForward left them, L [count] the adjoint state.
void ChannelBackward(const ChannelDims& dims, const ChannelCoeffs<float>& c, const float* v, const float* dy,
                     int64_t begin, int64_t end, int64_t first, int64_t count, const float* states, float* L,
                     const ChannelGrads<float>& g) {
  const bool before = c.read == Read::kBefore;
  for (int64_t t = end - 1; t >= begin; --t) {
    for_lanes(count, [&](auto d, int64_t i) HWY_ATTR {
      const int64_t at = t * dims.D + first + i;
      const auto in = hn::LoadU(d, v + at), signal = hn::LoadU(d, dy + at),
                 old = hn::LoadU(d, states + (t - begin) * count + i);
      const auto a = vexp(hn::LoadU(d, c.g + at)), w = load_or(d, c.w, at, 1.0f);
      const auto read = hn::Mul(load_or(d, c.r, at, 1.0f), signal);
      auto l = hn::LoadU(d, L + i);
      if (!before) l = hn::Add(l, read);
      add_to(d, g.dr, at, hn::Mul(signal, before ? old : hn::MulAdd(a, old, hn::Mul(w, in))));
      add_to(d, g.dw, at, hn::Mul(l, in));
      add_to(d, g.dv, at, before && c.u ? hn::MulAdd(hn::LoadU(d, c.u + at), signal, hn::Mul(l, w)) : hn::Mul(l, w));
      if (before) add_to(d, g.du, at, hn::Mul(signal, in));
      l = hn::Mul(l, a);
      add_to(d, g.dg, at, hn::Mul(l, old));
      hn::StoreU(before ? hn::Add(l, read) : l, d, L + i);
    });
  }
}

void ChannelRowTimes(const ChannelDims& dims, const ChannelCoeffs<float>& c, const float* x, int64_t first,
                     int64_t count, float* L, float* out) {
  const bool before = c.read == Read::kBefore;
  for (int64_t t = dims.T - 1; t >= 0; --t) {
    for_lanes(count, [&](auto d, int64_t i) HWY_ATTR {
      const int64_t at = t * dims.D + first + i;
      const auto in = load_or(d, x, at, 0.0f), read = hn::Mul(load_or(d, c.r, at, 1.0f), in);
      auto l = hn::LoadU(d, L + i);
      if (!before) l = hn::Add(l, read);
      const auto z = hn::Mul(l, load_or(d, c.w, at, 1.0f));
      hn::StoreU(before && c.u ? hn::MulAdd(hn::LoadU(d, c.u + at), in, z) : z, d, out + at);
      l = hn::Mul(l, vexp(hn::LoadU(d, c.g + at)));
      hn::StoreU(before ? hn::Add(l, read) : l, d, L + i);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels::glr
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels::glr {
namespace {

HWY_EXPORT(ChannelForward);
HWY_EXPORT(ChannelBackward);
HWY_EXPORT(ChannelRowTimes);

// body(first, count) for each block of channels.
template <class Body>
void for_channel_blocks(const ChannelDims& dims, const Body& body) {
  const int64_t blocks = (dims.D + kChannelBlock - 1) / kChannelBlock;
#pragma omp parallel for schedule(static) if (blocks > 1 && dims.T * dims.D >= kChannelWork)
  for (int64_t b = 0; b < blocks; ++b) body(b * kChannelBlock, std::min(kChannelBlock, dims.D - b * kChannelBlock));
}

}  // namespace

void channel_forward(const ChannelDims& dims, const ChannelCoeffs<double>& c, const double* v, double* S, double* y) {
  reference::channel_forward(dims, c, v, S, y);
}
void channel_backward(const ChannelDims& dims, const ChannelCoeffs<double>& c, const double* v, const double* S0,
                      const double* dy, const ChannelGrads<double>& g) {
  reference::channel_backward(dims, c, v, S0, dy, g);
}
void channel_row_times(const ChannelDims& dims, const ChannelCoeffs<double>& c, const double* x, double* carry,
                       double* out) {
  reference::channel_row_times(dims, c, x, carry, out);
}

void channel_forward(const ChannelDims& dims, const ChannelCoeffs<float>& c, const float* v, float* S, float* y) {
  const auto kernel = HS_DISPATCH(ChannelForward);
  for_channel_blocks(dims, [&](int64_t first, int64_t count) {
    (*kernel)(dims, c, v, 0, dims.T, first, count, S + first, y, nullptr);
  });
}

void channel_backward(const ChannelDims& dims, const ChannelCoeffs<float>& c, const float* v, const float* S0,
                      const float* dy, const ChannelGrads<float>& g) {
  const auto forward = HS_DISPATCH(ChannelForward);
  const auto backward = HS_DISPATCH(ChannelBackward);
  const int64_t chunks = (dims.T + kChannelChunk - 1) / kChannelChunk;
  for_channel_blocks(dims, [&](int64_t first, int64_t count) {
    std::vector<float> kept(static_cast<size_t>((chunks + 1) * count));  // [chunks + 1, count] state before each chunk
    std::vector<float> states(static_cast<size_t>(kChannelChunk * count));  // [chunk, count]
    std::copy_n(S0 + first, count, kept.begin());
    for (int64_t k = 0; k + 1 < chunks; ++k) {
      float* S = kept.data() + (k + 1) * count;
      std::copy_n(S - count, count, S);
      (*forward)(dims, c, v, k * kChannelChunk, (k + 1) * kChannelChunk, first, count, S, nullptr, nullptr);
    }
    for (int64_t k = chunks - 1; k >= 0; --k) {
      const int64_t begin = k * kChannelChunk, end = std::min(dims.T, begin + kChannelChunk);
      (*forward)(dims, c, v, begin, end, first, count, kept.data() + k * count, nullptr, states.data());
      (*backward)(dims, c, v, dy, begin, end, first, count, states.data(), g.dS + first, g);
    }
  });
}

void channel_row_times(const ChannelDims& dims, const ChannelCoeffs<float>& c, const float* x, float* carry,
                       float* out) {
  const auto kernel = HS_DISPATCH(ChannelRowTimes);
  for_channel_blocks(dims,
                     [&](int64_t first, int64_t count) { (*kernel)(dims, c, x, first, count, carry + first, out); });
}

}  // namespace hindscan::kernels::glr
#endif  // HWY_ONCE
