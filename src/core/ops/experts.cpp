// Role route: mixture of experts. moe_route: weights of the top_k experts of each row, exact derivative through the
// chosen weights, none under frozen rules. combine_experts: the weighted sum of their outputs, linear in these; to the
// weights exact, nothing under frozen rules.
#include "core/ops/experts.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/order.h"

namespace hindscan::ops {

namespace {

// Scores of one row: softmax over the experts, or sigmoid each.
template <class R>
void expert_scores(int64_t E, const R* logits, bool sigmoid, double* p) {
  double top = -HUGE_VAL, sum = 0;
  for (int64_t e = 0; e < E; ++e) top = std::max(top, static_cast<double>(logits[e]));
  for (int64_t e = 0; e < E; ++e) {
    const double x = static_cast<double>(logits[e]);
    p[e] = sigmoid ? 1 / (1 + std::exp(-x)) : std::exp(x - top);
    sum += p[e];
  }
  for (int64_t e = 0; e < E && !sigmoid; ++e) p[e] /= sum;
}

// The k experts of the highest logits, equal ones by number.
template <class R>
void top_experts(int64_t E, int64_t k, const R* logits, int64_t* order) {
  std::iota(order, order + E, int64_t{0});
  const auto before = [&](int64_t a, int64_t b) {
    return descending(logits[a], logits[b]) || (!descending(logits[b], logits[a]) && a < b);
  };
  std::partial_sort(order, order + k, order + E, before);
}

constexpr double kTinySum = 1e-20;  // a row of sigmoids may sum to 0

}  // namespace

Var moe_route(Ctx& ctx, Var logits, const Route& route) {
  const int64_t T = ctx.rows(logits), E = ctx.cols(logits), k = route.top_k;
  check(k > 0 && k <= E, ErrorCode::kData, "[moe_route] expected top_k in 1..{}, found {}", E, k);
  const Var out = ctx.make_like(logits, E);  // [T, E]
  ctx.with_real([&]<class R>(R) {
    const ArenaScope scope(ctx.scratch());
    double* p = ctx.scratch().array<double>(static_cast<size_t>(E));        // [E]
    int64_t* order = ctx.scratch().array<int64_t>(static_cast<size_t>(E));  // [E]
    for (int64_t t = 0; t < T; ++t) {
      R* w = ctx.data<R>(out) + t * E;
      expert_scores(E, ctx.data<R>(logits) + t * E, route.sigmoid, p);
      for (int64_t e = 0; e < E; ++e)
        check(std::isfinite(p[e]), ErrorCode::kData, "[moe_route] expected finite logits, found row {} with {}", t,
              p[e]);
      top_experts(E, k, ctx.data<R>(logits) + t * E, order);
      double sum = 0;
      for (int64_t i = 0; i < k; ++i) sum += p[order[i]];
      const double factor = route.normalise ? route.factor / (sum + kTinySum) : route.factor;
      std::fill(w, w + E, R(0));
      for (int64_t i = 0; i < k; ++i) w[order[i]] = static_cast<R>(factor * p[order[i]]);
    }
    if (!ctx.record(Role::kRoute, {logits}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule& rule) {
      if (!rule.coefficient) return;
      const ArenaScope inner(ctx.scratch());
      double *q = ctx.scratch().array<double>(static_cast<size_t>(E)),
             *dq = ctx.scratch().array<double>(static_cast<size_t>(E));        // [E]
      int64_t* chosen = ctx.scratch().array<int64_t>(static_cast<size_t>(E));  // [E]
      for (int64_t t = 0; t < T; ++t) {
        const R* dy = ctx.grad<R>(out) + t * E;
        R* dx = ctx.grad<R>(logits) + t * E;
        expert_scores(E, ctx.data<R>(logits) + t * E, route.sigmoid, q);
        top_experts(E, k, ctx.data<R>(logits) + t * E, chosen);
        double sum = kTinySum, mean = 0;
        for (int64_t i = 0; i < k; ++i) sum += q[chosen[i]];
        for (int64_t i = 0; i < k && route.normalise; ++i)
          mean += static_cast<double>(dy[chosen[i]]) * q[chosen[i]] / sum;
        std::fill(dq, dq + E, 0.0);  // adjoint of the scores
        for (int64_t i = 0; i < k; ++i) {
          const double g = static_cast<double>(dy[chosen[i]]);
          dq[chosen[i]] = route.factor * (route.normalise ? (g - mean) / sum : g);
        }
        double dot = 0;
        for (int64_t e = 0; e < E && !route.sigmoid; ++e) dot += dq[e] * q[e];
        for (int64_t e = 0; e < E; ++e)
          dx[e] += static_cast<R>(q[e] * (route.sigmoid ? dq[e] * (1 - q[e]) : dq[e] - dot));
      }
    });
  });
  return out;
}

std::vector<int64_t> routed_rows(const Ctx& ctx, Var route, int64_t expert) {
  const int64_t E = ctx.cols(route);
  check(expert >= 0 && expert < E, ErrorCode::kInternal, "[routed_rows] expert {} of {}", expert, E);
  std::vector<int64_t> out;
  ctx.with_real([&]<class R>(R) {
    for (int64_t t = 0; t < ctx.rows(route); ++t) {
      if (ctx.data<R>(route)[t * E + expert] != R(0)) out.push_back(t);
    }
  });
  return out;
}

Var combine_experts(Ctx& ctx, Var route, std::span<const int64_t> experts, std::span<const Var> parts,
                    int64_t channels) {
  const int64_t T = ctx.rows(route), E = ctx.cols(route), C = channels;
  check(experts.size() == parts.size(), ErrorCode::kInternal, "[combine_experts] {} experts, {} parts", experts.size(),
        parts.size());
  std::vector<Var> in(parts.begin(), parts.end());  // of each expert; then the route
  const std::vector<int64_t> which(experts.begin(), experts.end());
  std::vector<std::vector<int64_t>> at;  // rows of each part
  for (size_t i = 0; i < in.size(); ++i) {
    at.push_back(routed_rows(ctx, route, which[i]));
    check(ctx.rows(in[i]) == static_cast<int64_t>(at[i].size()) && ctx.cols(in[i]) == C, ErrorCode::kInternal,
          "[combine_experts] expert {} gave [{}, {}], expected [{}, {}]", which[i], ctx.rows(in[i]), ctx.cols(in[i]),
          at[i].size(), C);
  }
  in.push_back(route);
  const Var out = ctx.make_like(route, C);  // [T, C]
  ctx.with_real([&]<class R>(R) {
    R* y = ctx.data<R>(out);
    const R* w = ctx.data<R>(route);
    std::fill(y, y + T * C, R(0));
    for (size_t i = 0; i < which.size(); ++i) {
      for (size_t j = 0; j < at[i].size(); ++j) {
        const R* part = ctx.data<R>(in[i]) + static_cast<int64_t>(j) * C;
        const R factor = w[at[i][j] * E + which[i]];
        R* to = y + at[i][j] * C;
        for (int64_t c = 0; c < C; ++c) to[c] += factor * part[c];
      }
    }
    if (!ctx.record(Role::kRoute, in, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule& rule) {
      const R* dy = ctx.grad<R>(out);
      R* dw = rule.coefficient ? ctx.grad<R>(route) : nullptr;
      for (size_t i = 0; i < which.size(); ++i) {
        R* dpart = ctx.grad<R>(in[i]);
        for (size_t j = 0; j < at[i].size(); ++j) {
          const R *part = ctx.data<R>(in[i]) + static_cast<int64_t>(j) * C, *g = dy + at[i][j] * C;
          const R factor = w[at[i][j] * E + which[i]];
          double dot = 0;
          for (int64_t c = 0; c < C; ++c) {
            dpart[static_cast<int64_t>(j) * C + c] += factor * g[c];
            dot += static_cast<double>(part[c]) * static_cast<double>(g[c]);
          }
          if (dw != nullptr) dw[at[i][j] * E + which[i]] += static_cast<R>(dot);
        }
      }
    });
  });
  return out;
}

}  // namespace hindscan::ops
