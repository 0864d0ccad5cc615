// What a recorded mixer op leaves for explain/: the coefficients it ran with, as pointers into the tape's arena.
// R is the compute type of the pass (Ctx::compute()).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/var.h"
#include "kernels/attention.h"
#include "kernels/glr/channel.h"
#include "kernels/glr/element.h"
#include "kernels/glr/head.h"
#include "kernels/nonlinear_recurrence.h"

namespace hindscan {

struct MixerDetail {
  const char* structure;  // its line in explain/structures.def
  std::string state;      // slot of the carried state
  std::vector<int64_t> state_shape;
  Var values = kNoVar;  // what the map multiplies
  Var writes = kNoVar;  // zeros in a token's row take away what it writes into the state
  explicit MixerDetail(const char* name) : structure(name) {}
  virtual ~MixerDetail() = default;
};

template <class R>
struct ElementDetail final : MixerDetail {
  ElementDetail() : MixerDetail("element") {}
  kernels::glr::ElementDims dims{};
  kernels::glr::ElementCoeffs<R> coeffs{};
  const R *v = nullptr, *y = nullptr;  // [T, D]
};

// divisor: [T, D] (channel) or [T, H] (heads) what the output was divided by, or null; frozen in maps and named there.
template <class R>
struct ChannelDetail final : MixerDetail {
  ChannelDetail() : MixerDetail("channel") {}
  kernels::glr::ChannelDims dims{};
  kernels::glr::ChannelCoeffs<R> coeffs{};
  const R *v = nullptr, *y = nullptr;  // [T, D]; y after the division
  const R* divisor = nullptr;
};

// q and k stand turned by a carried phase [H, pairs], slot "phase" of the same mixer, as ops::rotate turns them; groups
// are heads.
struct TurnedKeys {
  int64_t pairs = 0;  // 0: by none
  bool interleaved = false;
};

// With a divisor v has V + 1 columns in dims.V, the last of ones: the recurrence carries its own denominator.
// Two taps (Mamba-3): coefficients are those of the equivalent single-tap form over this pass, see
// core/ops/glr_heads.cpp.
template <class R>
struct HeadDetail final : MixerDetail {
  HeadDetail() : MixerDetail("heads") {}
  kernels::glr::HeadDims dims{};
  kernels::glr::HeadCoeffs<R> coeffs{};
  const R* v = nullptr;         // [T, R, H, V]
  const R* y = nullptr;         // [T, R, H, V_out]
  const R* S0 = nullptr;        // [H, K, V] state the first segment started from
  const R* divisor = nullptr;   // [T, H]
  const R* previous = nullptr;  // [H] two taps: weight the first token gives to the last write of the pass before
  TurnedKeys turned;
  int64_t V_out = 0;          // V, or V - 1 with a divisor
  bool key_dropping = false;  // has a rank-1 term (what other tools leave out)
};

template <class R>
struct SoftmaxDetail final : MixerDetail {
  SoftmaxDetail() : MixerDetail("softmax") {}
  std::string value_state;  // slot of the values; `state` is that of the keys
  int64_t T = 0, past = 0;  // tokens of the pass and cached tokens before it
  int64_t heads = 0, kv_heads = 0, d = 0, d_v = 0;
  int64_t window = 0;
  double scale = 1, soft_cap = 0;
  const R* q = nullptr;                // [T, heads*d]
  const R *k = nullptr, *v = nullptr;  // [past + T, kv_heads*d], [past + T, kv_heads*d_v]
  const R* y = nullptr;                // [T, heads*d_v]
  const R* lse = nullptr;              // [T, heads] log of each row's sum of exponentials

  kernels::AttentionDims dims() const { return {T, past, heads, kv_heads, d, d_v, window, scale, soft_cap}; }
  kernels::AttentionInputs<R> inputs() const { return {q, k, v}; }
};

// With gates and tanh(z)/z held the recurrence is linear in x: cell_frozen_adjoint of a one-hot dy is a frozen-gate
// row.
template <class R>
struct NonlinearDetail final : MixerDetail {
  NonlinearDetail() : MixerDetail("nonlinear") {}
  kernels::CellDims dims{};
  kernels::CellWeights<R> weights{};
  const R *x = nullptr, *y = nullptr;  // [T, gates*H*d], [T, H*d]
  const R* tape = nullptr;             // [T, cell_tape, H*d]
};

}  // namespace hindscan
