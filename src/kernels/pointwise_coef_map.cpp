// The maps of decays and write weights, float.
#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "kernels/pointwise_coef.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pointwise_coef_map.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/vector_slopes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace hindscan::kernels {
namespace HWY_NAMESPACE {

template <class V>
HWY_INLINE V set(float value) {
  return hn::Set(hn::DFromV<V>(), value);
}

// e^x - 1 without cancellation near 0.
template <class V>
HWY_INLINE V vexpm1(V x) {
  V p = set<V>(1.3814538046730447e-3f);  // (e^x - 1) / x for |x| <= ln2 / 2, the polynomial of exp_poly
  p = hn::MulAdd(p, x, set<V>(8.368745323435347e-3f));
  p = hn::MulAdd(p, x, set<V>(4.16683907893e-2f));
  p = hn::MulAdd(p, x, set<V>(1.66665203967e-1f));
  p = hn::MulAdd(p, x, set<V>(4.99999934319e-1f));
  p = hn::MulAdd(p, x, set<V>(1.0f));
  return hn::IfThenElse(hn::Le(hn::Abs(x), set<V>(0.34657359f)), hn::Mul(p, x), hn::Sub(vexp(x), set<V>(1.0f)));
}

struct LogSigmoid {
  template <class V>
  static HWY_INLINE V value(V x) {
    return hn::Neg(vsoftplus(hn::Neg(x)));
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    return vsigmoid(hn::Neg(x));
  }
};
struct Sigmoid {
  template <class V>
  static HWY_INLINE V value(V x) {
    return vsigmoid(x);
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    return hn::Mul(vsigmoid(x), vsigmoid(hn::Neg(x)));
  }
};
struct NegSigmoid {
  template <class V>
  static HWY_INLINE V value(V x) {
    return hn::Neg(Sigmoid::value(x));
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    return hn::Neg(Sigmoid::derivative(x));
  }
};
struct Exp {
  template <class V>
  static HWY_INLINE V value(V x) {
    return vexp(x);
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    return vexp(x);
  }
};
struct NegExp {
  template <class V>
  static HWY_INLINE V value(V x) {
    return hn::Neg(vexp(x));
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    return hn::Neg(vexp(x));
  }
};
struct OneMinusExp {
  template <class V>
  static HWY_INLINE V value(V x) {
    return hn::Neg(vexpm1(x));
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    return hn::Neg(vexp(x));
  }
};
struct SqrtOneMinusExp2 {
  template <class V>
  static HWY_INLINE V value(V x) {
    return hn::Sqrt(hn::Neg(vexpm1(hn::Add(x, x))));
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    const V u4 = hn::Mul(set<V>(-4.0f), vexpm1(hn::Add(x, x)));
    const V root = hn::Div(set<V>(1.0f), hn::Sqrt(hn::Max(u4, set<V>(1e-6f))));
    return hn::Mul(root, hn::Mul(set<V>(-2.0f), vexp(hn::Add(x, x))));
  }
};
struct NegHeavyTail {
  template <class V>
  static HWY_INLINE V value(V x) {
    const V one = set<V>(1.0f);
    const V below = hn::Div(set<V>(-1.0f), hn::Sub(one, hn::Min(x, hn::Zero(hn::DFromV<V>()))));
    const V y = hn::IfThenElse(hn::Ge(x, hn::Zero(hn::DFromV<V>())), hn::Neg(hn::Add(one, x)), below);
    return hn::IfThenElse(hn::Eq(x, x), hn::Min(y, set<V>(-1e-4f)), x);
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    const V below = hn::Div(set<V>(1.0f), hn::Sub(set<V>(1.0f), hn::Min(x, hn::Zero(hn::DFromV<V>()))));
    const V y = hn::IfThenElse(hn::Ge(x, hn::Zero(hn::DFromV<V>())), set<V>(-1.0f), hn::Neg(hn::Mul(below, below)));
    return hn::IfThenZeroElse(hn::Lt(x, set<V>(-9999.0f)), y);
  }
};
struct Softplus {
  template <class V>
  static HWY_INLINE V value(V x) {
    return vsoftplus(x);
  }
  template <class V>
  static HWY_INLINE V derivative(V x) {
    return vsigmoid(x);
  }
};
struct Tanh {
  template <class V>
  static HWY_INLINE V value(V x) {
    return vtanh(x);
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
  static HWY_INLINE V derivative(V) {
    return set<V>(1.0f);
  }
};

template <class Body>
HWY_INLINE void with_map(CoefMap map, const Body& body) {
  switch (map) {
    case CoefMap::kLogSigmoid:
      return body(LogSigmoid());
    case CoefMap::kSigmoid:
      return body(Sigmoid());
    case CoefMap::kNegSigmoid:
      return body(NegSigmoid());
    case CoefMap::kNegExp:
      return body(NegExp());
    case CoefMap::kOneMinusExp:
      return body(OneMinusExp());
    case CoefMap::kSqrtOneMinusExp2:
      return body(SqrtOneMinusExp2());
    case CoefMap::kNegHeavyTail:
      return body(NegHeavyTail());
    case CoefMap::kExp:
      return body(Exp());
    case CoefMap::kSoftplus:
      return body(Softplus());
    case CoefMap::kTanh:
      return body(Tanh());
    case CoefMap::kIdentity:
      return body(Identity());
  }
}

void CoefForwardRows(CoefMap map, float factor, int64_t rows, int64_t C, const float* x, const float* b, float* y) {
  with_map(map, [&](auto f) {
    for (int64_t t = 0; t < rows; ++t) {
      const float* xt = x + t * C;
      float* yt = y + t * C;
      for_lanes(C, [&](auto d, int64_t i) {
        const auto v = hn::LoadU(d, xt + i);
        const auto u = b == nullptr ? v : hn::Add(v, hn::LoadU(d, b + i));
        hn::StoreU(hn::Mul(hn::Set(d, factor), f.value(u)), d, yt + i);
      });
    }
  });
}

// dx, db [C]: accumulated, or null.
void CoefBackwardRows(CoefMap map, float factor, int64_t rows, int64_t C, const float* x, const float* b,
                      const float* dy, float* dx, float* db) {
  with_map(map, [&](auto f) {
    for (int64_t t = 0; t < rows; ++t) {
      const int64_t at = t * C;
      for_lanes(C, [&](auto d, int64_t i) {
        const auto v = hn::LoadU(d, x + at + i);
        const auto u = b == nullptr ? v : hn::Add(v, hn::LoadU(d, b + i));
        const auto g = hn::Mul(hn::Mul(hn::LoadU(d, dy + at + i), hn::Set(d, factor)), f.derivative(u));
        if (dx != nullptr) hn::StoreU(hn::Add(hn::LoadU(d, dx + at + i), g), d, dx + at + i);
        if (db != nullptr) hn::StoreU(hn::Add(hn::LoadU(d, db + i), g), d, db + i);
      });
    }
  });
}

// log(1 + u) with u = (e^beta - 1) sigmoid(-x); where that nears -1, what the softplus functions have in common is left
// out before it can cancel.
template <class V>
HWY_INLINE V bounded_decay(V beta, V x) {
  const auto tail = [](V z) HWY_ATTR { return vlog1p_unit(vexp(hn::Neg(hn::Abs(z)))); };
  const V u = hn::Mul(vexpm1(beta), vsigmoid(hn::Neg(x)));
  const V kept = hn::Min(hn::Max(x, beta), hn::Zero(hn::DFromV<V>()));
  const V far = hn::Add(kept, hn::Sub(tail(hn::Sub(x, beta)), tail(x)));
  return hn::IfThenElse(hn::Ge(u, set<V>(-0.5f)), vlog1p_unit(u), far);
}

void BoundedForwardRows(int64_t rows, int64_t C, const float* beta, const float* x, float* y) {
  for (int64_t t = 0; t < rows; ++t) {
    for_lanes(C, [&](auto d, int64_t i) {
      hn::StoreU(bounded_decay(hn::LoadU(d, beta + i), hn::LoadU(d, x + t * C + i)), d, y + t * C + i);
    });
  }
}

// dbeta: accumulated, or null.
void BoundedBackwardRows(int64_t rows, int64_t C, const float* beta, const float* x, const float* dy, float* dx,
                         float* dbeta) {
  for (int64_t t = 0; t < rows; ++t) {
    const int64_t at = t * C;
    for_lanes(C, [&](auto d, int64_t i) {
      const auto v = hn::LoadU(d, x + at + i), g = hn::LoadU(d, dy + at + i);
      const auto b = hn::LoadU(d, beta + i), lower = vsigmoid(hn::Sub(b, v));
      // sigmoid(-x) - sigmoid(beta - x), as a product
      const auto slope = hn::Mul(hn::Mul(vexpm1(b), vsigmoid(hn::Neg(v))), vsigmoid(hn::Sub(v, b)));
      hn::StoreU(hn::NegMulAdd(g, slope, hn::LoadU(d, dx + at + i)), d, dx + at + i);
      if (dbeta != nullptr) hn::StoreU(hn::MulAdd(g, lower, hn::LoadU(d, dbeta + i)), d, dbeta + i);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace hindscan::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace hindscan::kernels {
HWY_EXPORT(CoefForwardRows);
HWY_EXPORT(CoefBackwardRows);
HWY_EXPORT(BoundedForwardRows);
HWY_EXPORT(BoundedBackwardRows);

void coef_map_forward(CoefMap map, float factor, int64_t T, int64_t C, const float* x, const float* b, float* y) {
  const auto run = HS_DISPATCH(CoefForwardRows);
  for_rows(T, C, [&](int64_t i, int64_t e) { run(map, factor, e - i, C, x + i * C, b, y + i * C); });
}

void coef_map_backward(CoefMap map, float factor, int64_t T, int64_t C, const float* x, const float* b, const float* dy,
                       float* dx, float* db) {
  const auto run = HS_DISPATCH(CoefBackwardRows);
  const auto rows = [&](int64_t i, int64_t e, float* partial) {
    run(map, factor, e - i, C, x + i * C, b, dy + i * C, dx == nullptr ? nullptr : dx + i * C, partial);
  };
  if (db != nullptr) return reduce_rows(T, C, C, db, rows);
  for_rows(T, C, [&](int64_t i, int64_t e) { rows(i, e, nullptr); });
}

void bounded_decay_forward(int64_t T, int64_t C, const float* beta, const float* x, float* y) {
  const auto run = HS_DISPATCH(BoundedForwardRows);
  for_rows(T, C, [&](int64_t i, int64_t e) { run(e - i, C, beta, x + i * C, y + i * C); });
}

void bounded_decay_backward(int64_t T, int64_t C, const float* beta, const float* x, const float* dy, float* dx,
                            float* dbeta) {
  const auto run = HS_DISPATCH(BoundedBackwardRows);
  const auto rows = [&](int64_t i, int64_t e, float* partial) {
    run(e - i, C, beta, x + i * C, dy + i * C, dx + i * C, partial);
  };
  if (dbeta != nullptr) return reduce_rows(T, C, C, dbeta, rows);
  for_rows(T, C, [&](int64_t i, int64_t e) { rows(i, e, nullptr); });
}

}  // namespace hindscan::kernels
#endif
