// Gates, sums, biases, the skip and the optimiser step, float.
#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "kernels/pointwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pointwise_elementwise.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels {
namespace HWY_NAMESPACE {

void Multiply(int64_t n, const float* a, const float* b, float* y) {
  for_lanes(n, [&](auto d, int64_t i) { hn::StoreU(hn::Mul(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, y + i); });
}

void Add(int64_t n, const float* a, const float* b, float* y) {
  for_lanes(n, [&](auto d, int64_t i) { hn::StoreU(hn::Add(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, y + i); });
}

// y = base + a * b; base may be y or null.
void MultiplyAdd(int64_t n, const float* base, const float* a, const float* b, float* y) {
  if (base == nullptr) return Multiply(n, a, b, y);
  for_lanes(n, [&](auto d, int64_t i) {
    hn::StoreU(hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), hn::LoadU(d, base + i)), d, y + i);
  });
}

void NegExp(int64_t n, const float* x, float* y) {
  for_lanes(n, [&](auto d, int64_t i) { hn::StoreU(hn::Neg(vexp(hn::LoadU(d, x + i))), d, y + i); });
}

void GateBackward(int64_t n, const float* a, const float* b, const float* dy, float scale_a, float scale_b, float* da,
                  float* db) {
  for_lanes(n, [&](auto d, int64_t i) {
    const auto g = hn::LoadU(d, dy + i);
    const auto av = hn::LoadU(d, a + i), bv = hn::LoadU(d, b + i);
    if (da != nullptr) {
      hn::StoreU(hn::MulAdd(hn::Mul(g, hn::Set(d, scale_a)), bv, hn::LoadU(d, da + i)), d, da + i);
    }
    if (db != nullptr) {
      hn::StoreU(hn::MulAdd(hn::Mul(g, hn::Set(d, scale_b)), av, hn::LoadU(d, db + i)), d, db + i);
    }
  });
}

double SumSquares(int64_t n, const float* x) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> df;
  const int64_t L = static_cast<int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    const auto a = hn::PromoteTo(d, hn::LoadU(df, x + i));
    const auto b = hn::PromoteTo(d, hn::LoadU(df, x + i + L));
    s0 = hn::MulAdd(a, a, s0);
    s1 = hn::MulAdd(b, b, s1);
  }
  double sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1)));
  for (; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  return sum;
}

bool AllFinite(int64_t n, const float* x) {
  const hn::ScalableTag<float> d;
  const int64_t L = static_cast<int64_t>(hn::Lanes(d));
  auto sum = hn::Zero(d);  // x * 0 is 0 or NaN, and NaN stays
  int64_t i = 0;
  for (; i + L <= n; i += L) sum = hn::MulAdd(hn::LoadU(d, x + i), hn::Zero(d), sum);
  float rest = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < n; ++i) rest += x[i] * 0.0f;
  return rest == 0.0f;
}

void AdamWRange(const AdamW& o, int64_t n, const float* g, float* w, float* m, float* v) {
  for_lanes(n, [&](auto d, int64_t i) {
    const auto grad = hn::Mul(hn::LoadU(d, g + i), hn::Set(d, o.grad_scale));
    const auto m1 = hn::MulAdd(hn::Set(d, o.beta1), hn::LoadU(d, m + i), hn::Mul(hn::Set(d, 1.0f - o.beta1), grad));
    const auto v1 =
        hn::MulAdd(hn::Set(d, o.beta2), hn::LoadU(d, v + i), hn::Mul(hn::Mul(hn::Set(d, 1.0f - o.beta2), grad), grad));
    const auto denominator = hn::Add(hn::Sqrt(hn::Mul(v1, hn::Set(d, 1.0f / o.bias2))), hn::Set(d, o.eps));
    const auto step = hn::Div(hn::Mul(m1, hn::Set(d, o.lr / o.bias1)), denominator);
    const auto decayed = hn::Mul(hn::LoadU(d, w + i), hn::Set(d, 1.0f - o.lr * o.weight_decay));
    hn::StoreU(hn::Sub(decayed, step), d, w + i);
    hn::StoreU(m1, d, m + i);
    hn::StoreU(v1, d, v + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels {
HWY_EXPORT(NegExp);
HWY_EXPORT(Multiply);
HWY_EXPORT(Add);
HWY_EXPORT(MultiplyAdd);
HWY_EXPORT(GateBackward);
HWY_EXPORT(SumSquares);
HWY_EXPORT(AllFinite);
HWY_EXPORT(AdamWRange);

void neg_exp(int64_t n, const float* x, float* y) { HS_DISPATCH(NegExp)(n, x, y); }

void gate_forward(int64_t n, const float* a, const float* b, float* y) {
  const auto run = HS_DISPATCH(Multiply);
  for_elements(n, [&](int64_t i, int64_t e) { run(e - i, a + i, b + i, y + i); });
}

void gate_backward(int64_t n, const float* a, const float* b, const float* dy, float scale_a, float scale_b, float* da,
                   float* db) {
  const auto run = HS_DISPATCH(GateBackward);
  for_elements(n, [&](int64_t i, int64_t e) {
    run(e - i, a + i, b + i, dy + i, scale_a, scale_b, da != nullptr ? da + i : nullptr,
        db != nullptr ? db + i : nullptr);
  });
}

void add_forward(int64_t n, const float* a, const float* b, float* y) {
  const auto run = HS_DISPATCH(Add);
  for_elements(n, [&](int64_t i, int64_t e) { run(e - i, a + i, b + i, y + i); });
}

void accumulate(int64_t n, const float* from, float* to) { add_forward(n, from, to, to); }

void add_bias(int64_t T, int64_t C, const float* b, float* y) {
  const auto run = HS_DISPATCH(Add);
  for_rows(T, C, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) run(C, y + t * C, b, y + t * C);
  });
}

void sum_rows(int64_t T, int64_t C, const float* dy, float* db) {
  const auto run = HS_DISPATCH(Add);
  reduce_rows(T, C, C, db, [&](int64_t begin, int64_t end, float* partial) {
    for (int64_t t = begin; t < end; ++t) run(C, partial, dy + t * C, partial);
  });
}

void skip_forward(int64_t T, int64_t C, const float* base, const float* d, const float* x, float* y) {
  const auto run = HS_DISPATCH(MultiplyAdd);
  for_rows(T, C, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) run(C, base != nullptr ? base + t * C : nullptr, d, x + t * C, y + t * C);
  });
}

void skip_backward(int64_t T, int64_t C, const float* d, const float* x, const float* dy, float* dx, float* dd) {
  const auto run = HS_DISPATCH(MultiplyAdd);
  const auto rows = [&](int64_t begin, int64_t end, float* partial) {
    for (int64_t t = begin; t < end; ++t) {
      if (dx != nullptr) run(C, dx + t * C, d, dy + t * C, dx + t * C);
      if (partial != nullptr) run(C, partial, x + t * C, dy + t * C, partial);
    }
  };
  if (dd == nullptr) {
    for_rows(T, C, [&](int64_t begin, int64_t end) { rows(begin, end, nullptr); });
  } else {
    reduce_rows(T, C, C, dd, rows);
  }
}

double sum_squares(int64_t n, const float* x) {
  const auto run = HS_DISPATCH(SumSquares);
  constexpr int64_t kPiece = 16384;
  std::vector<double> partials(static_cast<size_t>((n + kPiece - 1) / kPiece));
  for_pieces(n, kPiece, n,
             [&](int64_t i, int64_t e) { partials[static_cast<size_t>(i / kPiece)] = run(e - i, x + i); });
  double sum = 0.0;
  for (const double p : partials) sum += p;
  return sum;
}

bool all_finite(int64_t n, const float* x) {
  const auto run = HS_DISPATCH(AllFinite);
  constexpr int64_t kPiece = 16384;
  for (int64_t i = 0; i < n; i += kPiece) {
    if (!run(std::min(kPiece, n - i), x + i)) return false;
  }
  return true;
}

void adamw_update(const AdamW& options, int64_t n, const float* g, float* w, float* m, float* v) {
  const auto run = HS_DISPATCH(AdamWRange);
  for_elements(n, [&](int64_t i, int64_t e) { run(options, e - i, g + i, w + i, m + i, v + i); });
}

}  // namespace hindscan::kernels
#endif
