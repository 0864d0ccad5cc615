// Attention problems with what their passes give, and scores by the definition.
#pragma once
#include <cmath>
#include <vector>

#include "base/rng.h"
#include "base/testing/compare.h"
#include "base/testing/draws.h"
#include "kernels/attention.h"
#include "kernels/glr/element_test_support.h"

namespace hindscan::kernels::attention_test {

template <class R>
struct Problem {
  AttentionDims dims;
  std::vector<R> q, k, v, dy;
  AttentionInputs<R> in() const { return {q.data(), k.data(), v.data()}; }
};

template <class R>
Problem<R> problem(const AttentionDims& dims, double size = 1, Law law = Law::kNormal) {
  Rng rng(5);
  const auto draw = [&](int64_t n) {
    std::vector<R> out(static_cast<size_t>(n));
    for (R& x : out) x = static_cast<R>(static_cast<float>(size * tailed(rng.normal(), law)));
    return out;
  };
  Problem<R> p{dims, {}, {}, {}, {}};
  p.q = draw(dims.T * dims.heads * dims.d);
  p.k = draw(dims.keys() * dims.kv_heads * dims.d);
  p.v = draw(dims.keys() * dims.kv_heads * dims.d_v);
  p.dy = draw(dims.T * dims.heads * dims.d_v);
  return p;
}

template <class R>
struct Outcome {
  std::vector<R> y, lse, dq, dk, dv, dv_alone;
};

template <class R>
Outcome<R> run(const Problem<R>& p) {
  const AttentionDims& d = p.dims;
  Outcome<R> r{not_a_number<R>(d.T * d.heads * d.d_v), not_a_number<R>(d.T * d.heads),
               std::vector<R>(p.q.size(), R(1)),       std::vector<R>(p.k.size(), R(2)),
               std::vector<R>(p.v.size(), R(3)),       std::vector<R>(p.v.size(), R(3))};
  attention_forward(d, p.in(), r.y.data(), r.lse.data());
  attention_backward(d, p.in(), r.y.data(), r.lse.data(), p.dy.data(), {r.dq.data(), r.dk.data(), r.dv.data()});
  attention_backward(d, p.in(), r.y.data(), r.lse.data(), p.dy.data(), {nullptr, nullptr, r.dv_alone.data()});
  return r;
}

// T, past, heads, kv_heads, d, d_v, window, scale, soft_cap
inline const AttentionDims kDims[] = {
    {1, 0, 2, 1, 5, 3, 0, 0.4, 0},      {1, 300, 4, 2, 16, 16, 0, 0.25, 0},   {3, 130, 2, 2, 7, 9, 20, 0.4, 0},
    {64, 0, 1, 1, 32, 32, 0, 0.2, 0},   {65, 1, 4, 2, 8, 12, 0, 0.3, 2.5},    {200, 77, 3, 1, 10, 6, 50, 0.3, 0},
    {129, 260, 2, 1, 16, 4, 1, 0.3, 0}, {150, 0, 2, 2, 20, 17, 130, 0.2, 30},
};

template <class R>
R score(const Problem<R>& p, int64_t h, int64_t t, int64_t j) {
  const AttentionDims& d = p.dims;
  R x = 0;
  for (int64_t i = 0; i < d.d; ++i) {
    x += p.q[static_cast<size_t>((t * d.heads + h) * d.d + i)] *
         p.k[static_cast<size_t>((j * d.kv_heads + h * d.kv_heads / d.heads) * d.d + i)];
  }
  x *= d.scale;
  return d.soft_cap > 0 ? d.soft_cap * std::tanh(x / d.soft_cap) : x;
}

inline constexpr Tolerance kDouble = tol::kF64Absolute.times(0.1);

}  // namespace hindscan::kernels::attention_test
