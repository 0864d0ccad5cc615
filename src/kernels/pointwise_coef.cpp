// Factors per head or channel, interpolations and dot products: one template for float and double, loops the compiler
// vectorises.
#include "kernels/pointwise_coef.h"

#include "kernels/parallel.h"

namespace hindscan::kernels {
namespace {

// body(t, h, i): head h of token t, whose first element is i.
template <class Body>
void for_heads(int64_t begin, int64_t end, int64_t H, int64_t d, const Body& body) {
  for (int64_t t = begin; t < end; ++t) {
    for (int64_t h = 0; h < H; ++h) body(t * H + h, (t * H + h) * d);
  }
}

// Rows in pieces; with a sum over rows the pieces are those of reduce_rows.
template <class R, class Rows>
void rows_or_reduce(int64_t T, int64_t C, R* sum, const Rows& rows) {
  if (sum != nullptr)
    reduce_rows(T, C, C, sum, rows);
  else
    for_rows(T, C, [&](int64_t begin, int64_t end) { rows(begin, end, static_cast<R*>(nullptr)); });
}

template <class R>
void scale_forward(int64_t T, int64_t H, int64_t d, const R* coeff, const R* x, R* y) {
  for_rows(T, H * d, [&](int64_t begin, int64_t end) {
    for_heads(begin, end, H, d, [&](int64_t h, int64_t i) {
      const R c = coeff[h];
      for (int64_t j = i; j < i + d; ++j) y[j] = c * x[j];
    });
  });
}

template <class R>
void scale_backward(int64_t T, int64_t H, int64_t d, const R* coeff, const R* x, const R* dy, R* dcoeff, R* dx) {
  for_rows(T, H * d, [&](int64_t begin, int64_t end) {
    for_heads(begin, end, H, d, [&](int64_t h, int64_t i) {
      if (dx != nullptr) {
        const R c = coeff[h];
        for (int64_t j = i; j < i + d; ++j) dx[j] += c * dy[j];
      }
      if (dcoeff == nullptr) return;
      R sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t j = i; j < i + d; ++j) sum += x[j] * dy[j];
      dcoeff[h] += sum;
    });
  });
}

template <class R>
void interpolate(int64_t T, int64_t H, int64_t d, const R* a, const R* b, const R* coeff, R* y) {
  for_rows(T, H * d, [&](int64_t begin, int64_t end) {
    if (d == 1) {
      for (int64_t j = begin * H; j < end * H; ++j) y[j] = a[j] + coeff[j] * (b[j] - a[j]);
      return;
    }
    for_heads(begin, end, H, d, [&](int64_t h, int64_t i) {
      const R c = coeff[h];
      for (int64_t j = i; j < i + d; ++j) y[j] = a[j] + c * (b[j] - a[j]);
    });
  });
}

template <class R>
void interpolate_backward(int64_t T, int64_t H, int64_t d, const R* a, const R* b, const R* coeff, const R* dy, R* da,
                          R* db, R* dcoeff) {
  for_rows(T, H * d, [&](int64_t begin, int64_t end) {
    if (d == 1) {
      for (int64_t j = begin * H; j < end * H; ++j) da[j] += (1 - coeff[j]) * dy[j];
      for (int64_t j = begin * H; j < end * H; ++j) db[j] += coeff[j] * dy[j];
      for (int64_t j = begin * H; dcoeff != nullptr && j < end * H; ++j) dcoeff[j] += (b[j] - a[j]) * dy[j];
      return;
    }
    for_heads(begin, end, H, d, [&](int64_t h, int64_t i) {
      const R c = coeff[h];
      for (int64_t j = i; j < i + d; ++j) da[j] += (1 - c) * dy[j];
      for (int64_t j = i; j < i + d; ++j) db[j] += c * dy[j];
      if (dcoeff == nullptr) return;
      R sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t j = i; j < i + d; ++j) sum += (b[j] - a[j]) * dy[j];
      dcoeff[h] += sum;
    });
  });
}

// Weight of `previous` at channel c of the row that starts at i.
template <class R>
R mix_weight(const R* mu, const R* delta, bool of_x, int64_t c, int64_t i) {
  const R m = delta == nullptr ? mu[c] : mu[c] + delta[i + c];
  return of_x ? 1 - m : m;
}

template <class R>
void token_mix(int64_t T, int64_t C, const R* x, const R* previous, const R* mu, const R* delta, bool of_x, R* y) {
  for_rows(T, C, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * C; i < end * C; i += C) {
      for (int64_t c = 0; c < C; ++c)
        y[i + c] = x[i + c] + mix_weight(mu, delta, of_x, c, i) * (previous[i + c] - x[i + c]);
    }
  });
}

template <class R>
void token_mix_backward(int64_t T, int64_t C, const R* x, const R* previous, const R* mu, const R* delta, bool of_x,
                        const R* dy, R* dx, R* dprevious, R* ddelta, R* dmu) {
  const R sign = of_x ? R(-1) : R(1);
  rows_or_reduce(T, C, dmu, [&](int64_t begin, int64_t end, R* partial) {
    for (int64_t i = begin * C; i < end * C; i += C) {
      for (int64_t c = 0; c < C; ++c) {
        const R m = mix_weight(mu, delta, of_x, c, i);
        dx[i + c] += (1 - m) * dy[i + c];
        dprevious[i + c] += m * dy[i + c];
      }
      if (ddelta != nullptr) {
        for (int64_t c = 0; c < C; ++c) ddelta[i + c] += sign * (previous[i + c] - x[i + c]) * dy[i + c];
      }
      if (partial != nullptr) {
        for (int64_t c = 0; c < C; ++c) partial[c] += sign * (previous[i + c] - x[i + c]) * dy[i + c];
      }
    }
  });
}

template <class R>
void dot_forward(int64_t T, int64_t H, int64_t d, const R* a, const R* b, const R* w, R* y) {
  for_rows(T, H * d, [&](int64_t begin, int64_t end) {
    for_heads(begin, end, H, d, [&](int64_t h, int64_t i) {
      R sum = 0;
      if (w == nullptr) {
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < d; ++j) sum += a[i + j] * b[i + j];
      } else {
        const R* wh = w + h % H * d;
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < d; ++j) sum += a[i + j] * wh[j] * b[i + j];
      }
      y[h] = sum;
    });
  });
}

template <class R>
void dot_backward(int64_t T, int64_t H, int64_t d, const R* a, const R* b, const R* w, const R* dy, R* da, R* db,
                  R* dw) {
  rows_or_reduce(T, H * d, dw, [&](int64_t begin, int64_t end, R* partial) {
    for_heads(begin, end, H, d, [&](int64_t h, int64_t i) {
      const R g = dy[h];
      const R* wh = w == nullptr ? nullptr : w + h % H * d;
      for (int64_t j = 0; j < d; ++j) {
        const R gw = wh == nullptr ? g : g * wh[j];
        const R at = a[i + j], bt = b[i + j];  // da may be db
        da[i + j] += gw * bt;
        db[i + j] += gw * at;
      }
      if (partial == nullptr) return;
      R* to = partial + h % H * d;
      for (int64_t j = 0; j < d; ++j) to[j] += g * a[i + j] * b[i + j];
    });
  });
}

}  // namespace

#define HS_DEFINE(R)                                                                                              \
  void head_scale_forward(int64_t T, int64_t H, int64_t d, const R* coeff, const R* x, R* y) {                    \
    scale_forward(T, H, d, coeff, x, y);                                                                          \
  }                                                                                                               \
  void head_scale_backward(int64_t T, int64_t H, int64_t d, const R* coeff, const R* x, const R* dy, R* dcoeff,   \
                           R* dx) {                                                                               \
    scale_backward(T, H, d, coeff, x, dy, dcoeff, dx);                                                            \
  }                                                                                                               \
  void lerp_forward(int64_t T, int64_t H, int64_t d, const R* a, const R* b, const R* coeff, R* y) {              \
    interpolate(T, H, d, a, b, coeff, y);                                                                         \
  }                                                                                                               \
  void lerp_backward(int64_t T, int64_t H, int64_t d, const R* a, const R* b, const R* coeff, const R* dy, R* da, \
                     R* db, R* dcoeff) {                                                                          \
    interpolate_backward(T, H, d, a, b, coeff, dy, da, db, dcoeff);                                               \
  }                                                                                                               \
  void mix_forward(int64_t T, int64_t C, const R* x, const R* previous, const R* mu, const R* delta, bool of_x,   \
                   R* y) {                                                                                        \
    token_mix(T, C, x, previous, mu, delta, of_x, y);                                                             \
  }                                                                                                               \
  void mix_backward(int64_t T, int64_t C, const R* x, const R* previous, const R* mu, const R* delta, bool of_x,  \
                    const R* dy, R* dx, R* dprevious, R* ddelta, R* dmu) {                                        \
    token_mix_backward(T, C, x, previous, mu, delta, of_x, dy, dx, dprevious, ddelta, dmu);                       \
  }                                                                                                               \
  void head_dot_forward(int64_t T, int64_t H, int64_t d, const R* a, const R* b, const R* w, R* y) {              \
    dot_forward(T, H, d, a, b, w, y);                                                                             \
  }                                                                                                               \
  void head_dot_backward(int64_t T, int64_t H, int64_t d, const R* a, const R* b, const R* w, const R* dy, R* da, \
                         R* db, R* dw) {                                                                          \
    dot_backward(T, H, d, a, b, w, dy, da, db, dw);                                                               \
  }
HS_DEFINE(float)
HS_DEFINE(double)
#undef HS_DEFINE

}  // namespace hindscan::kernels
