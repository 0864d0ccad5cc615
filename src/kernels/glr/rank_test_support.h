// Random problems for the recurrence with several steps a token, and the recurrence itself written out, step by step.
// Templated, so that a complex step gives exact derivatives.
#pragma once
#include <array>
#include <complex>
#include <random>

#include "kernels/glr/element_test_support.h"
#include "kernels/glr/rank.h"

namespace hindscan::kernels::glr {

// Whose coefficients: any, DeltaProduct's, Gated DeltaNet-2's, Erase-then-Delta's.
enum class RankFamily : uint8_t { kAny, kProduct, kGates, kEraseFirst };

struct RankCase {
  const char* name;
  RankDims dims;
  DecayShape decay = DecayShape::kNone;
  RankFamily family = RankFamily::kAny;
  bool s = true, d = false;
  double fastest = 1.0;  // -g is log-uniform from 0.01 on
  double resets = 0.0;   // share of g = -inf
};

inline void PrintTo(const RankCase& c, std::ostream* out) { *out << c.name; }

// Dims are {T, H, K, V, r}.
inline std::vector<RankCase> rank_cases() {
  constexpr DecayShape kNone = DecayShape::kNone, kScalar = DecayShape::kScalar, kRow = DecayShape::kRow;
  return {
      {"product", {23, 2, 5, 3, 2}, kNone, RankFamily::kProduct},
      {"gated_product", {21, 2, 7, 5, 3}, kScalar, RankFamily::kProduct},
      {"gated_product_wide", {41, 1, 33, 35, 2}, kScalar, RankFamily::kProduct},
      {"gates", {37, 2, 6, 5, 1}, kRow, RankFamily::kGates, false, true},
      {"erase_first", {19, 2, 5, 4, 2}, kRow, RankFamily::kEraseFirst},
      {"all", {17, 3, 5, 3, 3}, kRow, RankFamily::kAny, true, true},
      {"no_weights", {13, 1, 4, 7, 4}, kScalar, RankFamily::kAny, false, false},
      {"reset", {33, 2, 6, 5, 2}, kRow, RankFamily::kAny, true, true, 60.0, 0.05},
      {"fast", {29, 1, 6, 5, 2}, kScalar, RankFamily::kProduct, true, false, 80.0},
      {"empty", {0, 2, 3, 3, 2}, kScalar, RankFamily::kAny, true, true},
      {"one_token", {1, 2, 17, 19, 3}, kScalar, RankFamily::kAny, true, true},
      {"one_state", {15, 2, 1, 1, 2}, kRow},
  };
}

inline std::string rank_case_name(const ::testing::TestParamInfo<RankCase>& info) { return info.param.name; }

template <class X>
struct RankProblem {
  RankCase shape;
  std::vector<X> q, g, k, b, c, s, d, v, S, dy;  // of tokens: q, g, dy; of steps: the others but S
  std::vector<X> q_steps, g_steps;

  RankCoeffs<X> coeffs() {
    const RankDims& n = shape.dims;
    const auto or_null = [](const std::vector<X>& x, bool used) { return used ? x.data() : nullptr; };
    const bool decays = shape.decay != DecayShape::kNone;
    RankCoeffs<X> out;
    out.steps.decay = shape.decay;
    q_steps.assign(q.size() * static_cast<size_t>(n.r), X(0.5));
    g_steps.assign(g.size() * static_cast<size_t>(n.r), X(-0.5));
    rows_to_steps(n, n.r - 1, n.key(), q.data(), q_steps.data());
    if (decays) rows_to_steps(n, 0, out.decays(n), g.data(), g_steps.data());
    out.steps.q = q_steps.data();
    out.steps.k = k.data();
    out.steps.g = or_null(g_steps, decays);
    out.steps.s = or_null(s, shape.s);
    out.steps.b = b.data();
    out.steps.c = c.data();
    out.d = or_null(d, shape.d);
    return out;
  }
  template <class Q>
  RankProblem<Q> as() const {
    const auto cast = [](const std::vector<X>& x) { return std::vector<Q>(x.begin(), x.end()); };
    return {shape, cast(q), cast(g), cast(k), cast(b), cast(c), cast(s), cast(d), cast(v), cast(S), cast(dy), {}, {}};
  }
};

inline RankProblem<float> random_rank_problem(const RankCase& shape, unsigned seed = 1) {
  std::mt19937 rng(seed);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> unit(0.0, 1.0);
  const RankDims& n = shape.dims;
  const int64_t steps = n.T * n.r;
  RankProblem<float> p{shape, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}};
  const auto fill = [&](std::vector<float>& x, int64_t count, auto&& value) {
    for (int64_t i = 0; i < count; ++i) x.push_back(static_cast<float>(value()));
  };
  const double key = 1.0 / std::sqrt(static_cast<double>(n.K));
  fill(p.q, n.T * n.key(), [&] { return normal(rng); });
  fill(p.k, steps * n.key(), [&] { return normal(rng) * key; });
  fill(p.c, steps * n.key(), [&] { return normal(rng) * key; });
  fill(p.b, steps * n.key(), [&] { return 0.5 * normal(rng) * key; });
  fill(p.v, steps * n.value(), [&] { return normal(rng); });
  fill(p.dy, n.T * n.value(), [&] { return normal(rng); });
  fill(p.S, n.key() * n.V, [&] { return normal(rng); });
  fill(p.d, shape.d ? steps * n.value() : 0, [&] { return normal(rng); });
  fill(p.s, shape.s ? steps * n.H : 0, [&] { return unit(rng) < 0.1 ? 0.0 : 0.2 + unit(rng); });
  fill(p.g, shape.decay == DecayShape::kNone ? 0 : n.T * (shape.decay == DecayShape::kRow ? n.key() : n.H), [&] {
    if (unit(rng) < shape.resets) return -std::numeric_limits<double>::infinity();
    return -0.01 * std::pow(shape.fastest / 0.01, unit(rng));
  });
  for (size_t i = 0; i < p.k.size(); ++i) {
    const size_t row = i / static_cast<size_t>(n.K), step = row / static_cast<size_t>(n.H) % static_cast<size_t>(n.r);
    if (shape.family == RankFamily::kProduct || (shape.family == RankFamily::kEraseFirst && step == 1)) {
      p.c[i] = p.k[i];
      p.b[i] = -p.s[row] * p.k[i];
    } else if (shape.family == RankFamily::kGates) {
      p.b[i] = -p.k[i];
      p.c[i] = static_cast<float>(unit(rng)) * p.k[i];
    } else if (shape.family == RankFamily::kEraseFirst) {
      p.b[i] = -static_cast<float>(0.7) * p.c[i];
      p.s[row] = 0;
    }
  }
  return p;
}

template <class X>
struct RankOutput {
  std::vector<X> y, S;
};

// The recurrence as rank.h states it, of numbers alone.
template <class X>
RankOutput<X> rank_by_hand(const RankProblem<X>& p) {
  const RankDims& n = p.shape.dims;
  RankOutput<X> out{std::vector<X>(static_cast<size_t>(n.T * n.value())), p.S};
  for (int64_t t = 0; t < n.T; ++t) {
    for (int64_t h = 0; h < n.H; ++h) {
      X* S = out.S.data() + h * n.K * n.V;
      for (int64_t i = 0; p.shape.decay != DecayShape::kNone && i < n.K * n.V; ++i) {
        const int64_t row = t * n.H + h;
        S[i] *= std::exp(p.g[static_cast<size_t>(p.shape.decay == DecayShape::kRow ? row * n.K + i / n.V : row)]);
      }
      for (int64_t step = 0; step < n.r; ++step) {
        const int64_t row = (t * n.r + step) * n.H + h;
        for (int64_t e = 0; e < n.V; ++e) {
          const size_t at = static_cast<size_t>(row * n.V + e);
          X read = X(0), write = p.v[at];
          for (int64_t i = 0; i < n.K; ++i) read += p.c[static_cast<size_t>(row * n.K + i)] * S[i * n.V + e];
          if (p.shape.s) write *= p.s[static_cast<size_t>(row)];
          if (p.shape.d) write *= p.d[at];
          for (int64_t i = 0; i < n.K; ++i) {
            const size_t key = static_cast<size_t>(row * n.K + i);
            S[i * n.V + e] += p.b[key] * read + p.k[key] * write;
          }
        }
      }
      for (int64_t i = 0; i < n.K * n.V; ++i) {
        const int64_t row = t * n.H + h;
        out.y[static_cast<size_t>(row * n.V + i % n.V)] += p.q[static_cast<size_t>(row * n.K + i / n.V)] * S[i];
      }
    }
  }
  return out;
}

// d y[t,h,e] / d v[j,i,h,e], [T, T, r, H, V]: one write after the other driven with ones from an empty state.
inline std::vector<double> rank_pulses(RankProblem<double> p) {
  const RankDims& n = p.shape.dims;
  std::vector<double> out(static_cast<size_t>(n.T * n.T * n.r * n.value()));
  std::fill(p.S.begin(), p.S.end(), 0.0);
  for (int64_t write = 0; write < n.T * n.r; ++write) {
    std::fill(p.v.begin(), p.v.end(), 0.0);
    std::fill_n(p.v.begin() + write * n.value(), n.value(), 1.0);
    const std::vector<double> y = rank_by_hand(p).y;
    for (int64_t i = 0; i < n.T * n.value(); ++i)
      out[static_cast<size_t>((i / n.value() * n.T * n.r + write) * n.value() + i % n.value())] =
          y[static_cast<size_t>(i)];
  }
  return out;
}

template <class X>
RankOutput<X> rank_run(RankProblem<X>& p) {
  RankOutput<X> out{poisoned<X>(static_cast<int64_t>(p.dy.size())), p.S};
  std::vector<X> room = poisoned<X>(static_cast<int64_t>(2 * p.v.size()));
  rank_forward(p.shape.dims, p.coeffs(), p.v.data(), out.S.data(), out.y.data(), room.data());
  return out;
}

// Every gradient of one backward pass.
template <class X>
struct RankGradients {
  std::vector<X> dq, dg, dk, db, dc, ds, dd, dv, dS;
  std::vector<X>* lists[8] = {&dq, &dg, &dk, &db, &dc, &ds, &dd, &dv};
};
inline constexpr const char* kRankInputs[] = {"q", "g", "k", "b", "c", "s", "d", "v"};

template <class X>
std::array<std::vector<X>*, 8> rank_inputs(RankProblem<X>& p) {
  return {&p.q, &p.g, &p.k, &p.b, &p.c, &p.s, &p.d, &p.v};
}

// Added to ones; the adjoint of the last state is S backwards.
template <class X>
void rank_backward_of(RankProblem<X>& p, RankGradients<X>& g) {
  for (size_t i = 0; i < 8; ++i) g.lists[i]->assign(rank_inputs(p)[i]->size(), X(1));
  g.dS.assign(p.S.rbegin(), p.S.rend());
  const auto or_null = [](std::vector<X>& x) { return x.empty() ? nullptr : x.data(); };
  RankGrads<X> grads;
  grads.dq = or_null(g.dq), grads.dg = or_null(g.dg), grads.dk = or_null(g.dk), grads.db = or_null(g.db);
  grads.dc = or_null(g.dc), grads.ds = or_null(g.ds), grads.dd = or_null(g.dd), grads.dv = or_null(g.dv);
  grads.dS = g.dS.data();
  rank_backward(p.shape.dims, p.coeffs(), p.v.data(), p.S.data(), p.dy.data(), grads);
}

}  // namespace hindscan::kernels::glr
