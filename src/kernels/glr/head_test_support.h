// Random problems for the head recurrence, alpha by its definition (a product of K x K matrices for every entry).
// Templated, so that a complex step gives exact derivatives.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/glr/element_test_support.h"
#include "kernels/glr/head.h"

namespace hindscan::kernels::glr {

struct HeadCase {
  const char* name;
  HeadDims dims;
  DecayShape decay = DecayShape::kNone;
  bool rank1 = false;
  Read read = Read::kAfter;
  bool s = false, u = false;
  double slowest = 0.01, fastest = 1.0;  // -g is log-uniform between
  double resets = 0.0;                   // share of g = -inf
};

inline void PrintTo(const HeadCase& c, std::ostream* out) {
  *out << c.name << " T" << c.dims.T << " K" << c.dims.K << " V" << c.dims.V << " R" << c.dims.R;
}

template <class X>
struct HeadProblem {
  HeadCase shape;
  std::vector<X> q, k, g, s, b, c, u, v, S, dy;

  HeadCoeffs<X> coeffs() const {
    const auto or_null = [](const std::vector<X>& x, bool used) { return used ? x.data() : nullptr; };
    return {q.data(),
            k.data(),
            shape.decay,
            or_null(g, shape.decay != DecayShape::kNone),
            or_null(s, shape.s),
            or_null(b, shape.rank1),
            or_null(c, shape.rank1),
            shape.read,
            or_null(u, shape.u)};
  }

  template <class Q>
  HeadProblem<Q> as() const {
    const auto cast = [](const std::vector<X>& x) { return std::vector<Q>(x.begin(), x.end()); };
    return {shape, cast(q), cast(k), cast(g), cast(s), cast(b), cast(c), cast(u), cast(v), cast(S), cast(dy)};
  }
};

// Coefficients of the size that trained models have: keys of length about one, delta-rule b = -beta c.
inline HeadProblem<float> random_head_problem(const HeadCase& shape, unsigned seed = 1) {
  std::mt19937 rng(seed);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> unit(0.0, 1.0);
  const HeadDims& d = shape.dims;
  HeadProblem<float> p{shape, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}};
  const auto fill = [&](std::vector<float>& x, int64_t n, auto&& value) {
    for (int64_t i = 0; i < n; ++i) x.push_back(static_cast<float>(value()));
  };
  const double key = 1.0 / std::sqrt(static_cast<double>(d.K));
  fill(p.q, d.T * d.R * d.G * d.K, [&] { return normal(rng); });
  fill(p.k, d.T * d.R * d.G * d.K, [&] { return normal(rng) * key; });
  fill(p.v, d.T * d.R * d.H * d.V, [&] { return normal(rng); });
  fill(p.dy, d.T * d.R * d.H * d.V, [&] { return normal(rng); });
  fill(p.S, d.H * d.K * d.V, [&] { return normal(rng); });
  const auto decay = [&] {
    if (unit(rng) < shape.resets) return -std::numeric_limits<double>::infinity();
    return -shape.slowest * std::pow(shape.fastest / shape.slowest, unit(rng));
  };
  if (shape.decay != DecayShape::kNone) fill(p.g, d.T * d.H * (shape.decay == DecayShape::kRow ? d.K : 1), decay);
  if (shape.s) fill(p.s, d.T * d.H, [&] { return unit(rng) < 0.05 ? 0.0 : 0.2 + unit(rng); });
  if (shape.u) fill(p.u, shape.read == Read::kBefore ? d.H * d.K : d.T * d.H, [&] { return normal(rng); });
  if (shape.rank1) {
    for (int64_t row = 0; row < d.T * d.H; ++row) {
      std::vector<double> c;
      double norm = 0;
      for (int64_t i = 0; i < d.K; ++i) c.push_back(normal(rng)), norm += c.back() * c.back();
      const double beta = unit(rng);
      for (int64_t i = 0; i < d.K; ++i) {
        p.c.push_back(static_cast<float>(c[static_cast<size_t>(i)] / std::sqrt(norm)));
        p.b.push_back(static_cast<float>(-beta * static_cast<double>(p.c.back()) + 0.05 * normal(rng) * key));
      }
    }
  }
  return p;
}

// x [K] <- A_t x of head h, written out: A = (I + b c^T) diag(exp g).
template <class X>
void apply_transition(const HeadProblem<X>& p, int64_t t, int64_t h, std::vector<X>* x) {
  const HeadDims& d = p.shape.dims;
  const int64_t row = (t * d.H + h) * d.K;
  X dot = X(0);
  for (int64_t i = 0; i < d.K; ++i) {
    X& xi = (*x)[static_cast<size_t>(i)];
    if (p.shape.decay == DecayShape::kScalar) xi *= std::exp(p.g[static_cast<size_t>(t * d.H + h)]);
    if (p.shape.decay == DecayShape::kRow) xi *= std::exp(p.g[static_cast<size_t>(row + i)]);
    if (p.shape.rank1) dot += p.c[static_cast<size_t>(row + i)] * xi;
  }
  for (int64_t i = 0; p.shape.rank1 && i < d.K; ++i)
    (*x)[static_cast<size_t>(i)] += p.b[static_cast<size_t>(row + i)] * dot;
}

// What a unit state vector x at the start of token `from` gives at every read: visit(t, r, q_{t,r}^T ... x).
template <class X, class Visit>
void for_reads(const HeadProblem<X>& p, int64_t h, int64_t from, std::vector<X> x, const Visit& visit) {
  const HeadDims& d = p.shape.dims;
  const auto read = [&](int64_t t) {
    for (int64_t r = 0; r < d.R; ++r) {
      X sum = X(0);
      for (int64_t i = 0; i < d.K; ++i) {
        sum += p.q[static_cast<size_t>(((t * d.R + r) * d.G + h / (d.H / d.G)) * d.K + i)] * x[static_cast<size_t>(i)];
      }
      visit(t, r, sum);
    }
  };
  for (int64_t t = from; t < d.T; ++t) {
    if (p.shape.read == Read::kBefore) read(t);
    apply_transition(p, t, h, &x);
    if (p.shape.read != Read::kBefore) read(t);
  }
}

// alpha [H, T R, T R] (row t R + r, column j R + r') from the definition in head.h.
template <class X>
std::vector<X> alpha_matrices(const HeadProblem<X>& p) {
  const HeadDims& d = p.shape.dims;
  const int64_t n = d.T * d.R;
  std::vector<X> alpha(static_cast<size_t>(d.H * n * n));
  for (int64_t h = 0; h < d.H; ++h) {
    for (int64_t col = 0; col < n; ++col) {
      const int64_t j = col / d.R, at = (col * d.G + h / (d.H / d.G)) * d.K;
      std::vector<X> x(p.k.begin() + at, p.k.begin() + at + d.K);
      for (X& xi : x) xi *= p.shape.s ? p.s[static_cast<size_t>(j * d.H + h)] : X(1);
      const auto entry = [&](int64_t t, int64_t r) -> X& {
        return alpha[static_cast<size_t>((h * n + t * d.R + r) * n + col)];
      };
      for (int64_t r = 0; r < d.R; ++r) {
        X sum = X(0);
        for (int64_t i = 0; i < d.K; ++i) {
          const X qi = p.q[static_cast<size_t>(((j * d.R + r) * d.G + h / (d.H / d.G)) * d.K + i)];
          const X ki = p.k[static_cast<size_t>(at + i)];
          if (p.shape.read == Read::kAfter) sum += qi * x[static_cast<size_t>(i)];
          if (p.shape.u && p.shape.read == Read::kBefore) sum += qi * p.u[static_cast<size_t>(h * d.K + i)] * ki;
          if (p.shape.u && p.shape.read == Read::kDecayed) sum += p.u[static_cast<size_t>(j * d.H + h)] * qi * ki;
        }
        entry(j, r) = sum;
      }
      for_reads(p, h, j + 1, x, [&](int64_t t, int64_t r, X sum) { entry(t, r) = sum; });
    }
  }
  return alpha;
}

template <class X>
struct HeadOutput {
  std::vector<X> y, S;  // [T, R, H, V], [H, K, V]
};

// y = alpha v + what the carried-in state adds, and the last state, all from products of transitions.
template <class X>
HeadOutput<X> brute_force(const HeadProblem<X>& p) {
  const HeadDims& d = p.shape.dims;
  const int64_t n = d.T * d.R;
  const std::vector<X> alpha = alpha_matrices(p);
  HeadOutput<X> out{std::vector<X>(p.v.size()), std::vector<X>(p.S.size())};
  const auto to_end = [&](int64_t h, int64_t from, std::vector<X> x) {
    for (int64_t t = from; t < d.T; ++t) apply_transition(p, t, h, &x);
    return x;
  };
  for (int64_t h = 0; h < d.H; ++h) {
    for (int64_t i = 0; i < d.K; ++i) {
      std::vector<X> unit(static_cast<size_t>(d.K));
      unit[static_cast<size_t>(i)] = X(1);
      const X* state = p.S.data() + (h * d.K + i) * d.V;
      for_reads(p, h, 0, unit, [&](int64_t t, int64_t r, X sum) {
        for (int64_t e = 0; e < d.V; ++e)
          out.y[static_cast<size_t>(((t * d.R + r) * d.H + h) * d.V + e)] += sum * state[e];
      });
      const std::vector<X> last = to_end(h, 0, unit);
      for (int64_t o = 0; o < d.K * d.V; ++o) {
        out.S[static_cast<size_t>(h * d.K * d.V + o)] += last[static_cast<size_t>(o / d.V)] * state[o % d.V];
      }
    }
    for (int64_t col = 0; col < n; ++col) {
      const X* value = p.v.data() + (col * d.H + h) * d.V;
      for (int64_t row = 0; row < n; ++row) {
        const X weight = alpha[static_cast<size_t>((h * n + row) * n + col)];
        for (int64_t e = 0; e < d.V; ++e) out.y[static_cast<size_t>((row * d.H + h) * d.V + e)] += weight * value[e];
      }
      const int64_t j = col / d.R, at = (col * d.G + h / (d.H / d.G)) * d.K;
      std::vector<X> x(p.k.begin() + at, p.k.begin() + at + d.K);
      for (X& xi : x) xi *= p.shape.s ? p.s[static_cast<size_t>(j * d.H + h)] : X(1);
      x = to_end(h, j + 1, x);
      for (int64_t o = 0; o < d.K * d.V; ++o) {
        out.S[static_cast<size_t>(h * d.K * d.V + o)] += x[static_cast<size_t>(o / d.V)] * value[o % d.V];
      }
    }
  }
  return out;
}

// Every gradient of one backward pass, poisoned where it is not wanted.
template <class X>
struct HeadGradients {
  std::vector<X> dq, dk, dv, dg, ds, db, dc, du, dS;

  explicit HeadGradients(const HeadProblem<X>& p, const std::vector<X>& final_adjoint)
      : dq(p.q.size()),
        dk(p.k.size()),
        dv(p.v.size()),
        dg(p.g.size()),
        ds(p.s.size()),
        db(p.b.size()),
        dc(p.c.size()),
        du(p.u.size()),
        dS(final_adjoint) {}
  HeadGrads<X> pointers() {
    const auto or_null = [](std::vector<X>& x) { return x.empty() ? nullptr : x.data(); };
    return {or_null(dq), or_null(dk), or_null(dv), or_null(dg), or_null(ds),
            or_null(db), or_null(dc), or_null(du), dS.data()};
  }
};

template <class X>
HeadOutput<X> run_forward(const HeadProblem<X>& p, Algorithm algorithm = Algorithm::kAuto) {
  HeadOutput<X> out{poisoned<X>(static_cast<int64_t>(p.v.size())), p.S};
  head_forward(p.shape.dims, p.coeffs(), p.v.data(), out.S.data(), out.y.data(), algorithm);
  return out;
}

template <class X>
HeadGradients<X> run_backward(const HeadProblem<X>& p, const std::vector<X>& final_adjoint,
                              Algorithm algorithm = Algorithm::kAuto) {
  HeadGradients<X> grads(p, final_adjoint);
  head_backward(p.shape.dims, p.coeffs(), p.v.data(), p.S.data(), p.dy.data(), grads.pointers(), algorithm);
  return grads;
}

}  // namespace hindscan::kernels::glr
