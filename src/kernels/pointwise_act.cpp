// Activations, float.
#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "kernels/pointwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pointwise_act.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/vector_slopes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels {
namespace HWY_NAMESPACE {

template <class V>
HWY_INLINE V one() {
  return hn::Set(hn::DFromV<V>(), 1.0f);
}

// Standard normal distribution function, lane by lane: GELU is rare in state-space models.
template <class V>
HWY_INLINE V normal_cdf(V x) {
  const hn::DFromV<V> d;
  HWY_ALIGN float lane[HWY_MAX_BYTES / sizeof(float)];
  hn::Store(x, d, lane);
  for (size_t i = 0; i < hn::Lanes(d); ++i) lane[i] = 0.5f * std::erfc(-lane[i] * 0.70710678f);
  return hn::Load(d, lane);
}

// value = y; slope = y / x with its limit at 0; derivative = dy/dx.
struct Silu {
  template <class V>
  static HWY_INLINE V value(V x) {
    return hn::Div(x, hn::Add(one<V>(), vexp(hn::Neg(x))));
  }
  template <class V>
  static HWY_INLINE V slope(V x) {
    return vsigmoid(x);
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    const V s = vsigmoid(x);
    return hn::Mul(s, hn::MulAdd(x, hn::Sub(one<V>(), s), one<V>()));
  }
};
struct Softplus {
  template <class V>
  static HWY_INLINE V value(V x) {
    return vsoftplus(x);
  }
  template <class V>
  static HWY_INLINE V slope(V x) {
    return hn::Div(vsoftplus(x), x);
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    return vsigmoid(x);
  }
};
struct Sigmoid {
  template <class V>
  static HWY_INLINE V value(V x) {
    return vsigmoid(x);
  }
  template <class V>
  static HWY_INLINE V slope(V x) {
    return hn::Div(vsigmoid(x), x);
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    return hn::Mul(vsigmoid(x), vsigmoid(hn::Neg(x)));
  }
};
struct Gelu {
  template <class V>
  static HWY_INLINE V value(V x) {
    return hn::Mul(x, normal_cdf(x));
  }
  template <class V>
  static HWY_INLINE V slope(V x) {
    return normal_cdf(x);
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    const hn::DFromV<V> d;
    const V density = hn::Mul(hn::Set(d, 0.39894228f), vexp(hn::Mul(hn::Mul(x, x), hn::Set(d, -0.5f))));
    return hn::MulAdd(x, density, normal_cdf(x));
  }
};
struct Relu2 {
  // max(x, 0) that keeps NaN.
  template <class V>
  static HWY_INLINE V slope(V x) {
    return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(hn::DFromV<V>())), x);
  }
  template <class V>
  static HWY_INLINE V value(V x) {
    return hn::Mul(slope(x), slope(x));
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    return hn::Add(slope(x), slope(x));
  }
};
struct Relu {
  template <class V>
  static HWY_INLINE V value(V x) {
    return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(hn::DFromV<V>())), x);
  }
  template <class V>
  static HWY_INLINE V slope(V x) {
    return hn::IfThenElseZero(hn::Gt(x, hn::Zero(hn::DFromV<V>())), one<V>());
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    return slope(x);
  }
};
// x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)), GELU by tanh.
struct GeluTanh {
  template <class V>
  static HWY_INLINE V argument(V x) {
    const hn::DFromV<V> d;
    const V cubic = hn::MulAdd(hn::Mul(x, x), hn::Set(d, 0.044715f), one<V>());
    return hn::Mul(hn::Mul(x, cubic), hn::Set(d, 1.5957691216f));
  }
  template <class V>
  static HWY_INLINE V value(V x) {
    return hn::Mul(x, slope(x));
  }
  template <class V>
  static HWY_INLINE V slope(V x) {
    return vsigmoid(argument(x));
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    const hn::DFromV<V> d;
    const V u = argument(x), s = vsigmoid(u), rest = vsigmoid(hn::Neg(u));  // 1 - s would cancel
    const V du = hn::Mul(hn::Set(d, 1.5957691216f), hn::MulAdd(hn::Mul(x, x), hn::Set(d, 3 * 0.044715f), one<V>()));
    return hn::MulAdd(hn::Mul(x, hn::Mul(s, rest)), du, s);
  }
};
struct Tanh {
  template <class V>
  static HWY_INLINE V value(V x) {
    return vtanh(x);
  }
  template <class V>
  static HWY_INLINE V slope(V x) {
    return hn::IfThenElse(hn::Eq(x, hn::Zero(hn::DFromV<V>())), one<V>(), hn::Div(vtanh(x), x));
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    return vtanh_slope(x);
  }
};
struct Identity {
  template <class V>
  static HWY_INLINE V value(V x) {
    return x;
  }
  template <class V>
  static HWY_INLINE V slope(V) {
    return one<V>();
  }
  template <class V>
  static HWY_INLINE V derivative(V) {
    return one<V>();
  }
};

template <class Body>
HWY_INLINE void with_act(Act act, const Body& body) {
  switch (act) {
    case Act::kSilu:
      return body(Silu());
    case Act::kSoftplus:
      return body(Softplus());
    case Act::kSigmoid:
      return body(Sigmoid());
    case Act::kGelu:
      return body(Gelu());
    case Act::kRelu2:
      return body(Relu2());
    case Act::kTanh:
      return body(Tanh());
    case Act::kIdentity:
      return body(Identity());
    case Act::kRelu:
      return body(Relu());
    case Act::kGeluTanh:
      return body(GeluTanh());
  }
}

void ActForward(Act act, int64_t n, const float* x, float* y) {
  with_act(act, [&](auto f) {
    for_lanes(n, [&](auto d, int64_t i) { hn::StoreU(f.value(hn::LoadU(d, x + i)), d, y + i); });
  });
}

void ActSlope(Act act, int64_t n, const float* x, float* slope) {
  with_act(act, [&](auto f) {
    for_lanes(n, [&](auto d, int64_t i) { hn::StoreU(f.slope(hn::LoadU(d, x + i)), d, slope + i); });
  });
}

void ActBackward(Act act, ActRule rule, int64_t n, const float* x, const float* dy, float* dx) {
  with_act(act, [&](auto f) {
    for_lanes(n, [&](auto d, int64_t i) {
      const auto v = hn::LoadU(d, x + i);
      const auto factor = rule == ActRule::kExact ? f.derivative(v) : f.slope(v);
      hn::StoreU(hn::MulAdd(hn::LoadU(d, dy + i), factor, hn::LoadU(d, dx + i)), d, dx + i);
    });
  });
}

void BiasActForwardRow(Act act, int64_t C, const float* x, const float* b, float* y) {
  with_act(act, [&](auto f) {
    for_lanes(C, [&](auto d, int64_t i) {
      hn::StoreU(f.value(hn::Add(hn::LoadU(d, x + i), hn::LoadU(d, b + i))), d, y + i);
    });
  });
}

// dx, db: accumulated, or null.
void BiasActBackwardRow(Act act, int64_t C, const float* x, const float* b, const float* dy, float* dx, float* db) {
  with_act(act, [&](auto f) {
    for_lanes(C, [&](auto d, int64_t i) {
      const auto factor = f.derivative(hn::Add(hn::LoadU(d, x + i), hn::LoadU(d, b + i)));
      const auto g = hn::Mul(hn::LoadU(d, dy + i), factor);
      if (dx != nullptr) hn::StoreU(hn::Add(hn::LoadU(d, dx + i), g), d, dx + i);
      if (db != nullptr) hn::StoreU(hn::Add(hn::LoadU(d, db + i), g), d, db + i);
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels {
HWY_EXPORT(ActForward);
HWY_EXPORT(ActSlope);
HWY_EXPORT(ActBackward);
HWY_EXPORT(BiasActForwardRow);
HWY_EXPORT(BiasActBackwardRow);

void act_forward(Act act, int64_t n, const float* x, float* y) {
  const auto run = HS_DISPATCH(ActForward);
  for_elements(n, [&](int64_t b, int64_t e) { run(act, e - b, x + b, y + b); });
}

void act_slope(Act act, int64_t n, const float* x, float* slope) {
  const auto run = HS_DISPATCH(ActSlope);
  for_elements(n, [&](int64_t b, int64_t e) { run(act, e - b, x + b, slope + b); });
}

void act_backward(Act act, ActRule rule, int64_t n, const float* x, const float* dy, float* dx) {
  const auto run = HS_DISPATCH(ActBackward);
  for_elements(n, [&](int64_t b, int64_t e) { run(act, rule, e - b, x + b, dy + b, dx + b); });
}

void bias_act_forward(Act act, int64_t T, int64_t C, const float* x, const float* b, float* y) {
  const auto row = HS_DISPATCH(BiasActForwardRow);
  for_rows(T, C, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) row(act, C, x + t * C, b, y + t * C);
  });
}

void bias_act_backward(Act act, int64_t T, int64_t C, const float* x, const float* b, const float* dy, float* dx,
                       float* db) {
  const auto row = HS_DISPATCH(BiasActBackwardRow);
  const auto rows = [&](int64_t begin, int64_t end, float* partial) {
    for (int64_t t = begin; t < end; ++t) {
      row(act, C, x + t * C, b, dy + t * C, dx != nullptr ? dx + t * C : nullptr, partial);
    }
  };
  if (db == nullptr) {
    for_rows(T, C, [&](int64_t begin, int64_t end) { rows(begin, end, nullptr); });
  } else {
    reduce_rows(T, C, C, db, rows);
  }
}

}  // namespace hindscan::kernels
#endif
