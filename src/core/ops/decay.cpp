// Role decay: coefficients of recurrences and gates from their raw values. Adjoint: the exact derivative; nothing under
// frozen rules, where coefficients are constants.
#include "core/ops/decay.h"

#include <cmath>
#include <cstring>

#include "kernels/pointwise_coef.h"

namespace hindscan::ops {

using kernels::Act;
using kernels::CoefMap;
static_assert(static_cast<int>(DecayMap::kLogSigmoid) == static_cast<int>(CoefMap::kLogSigmoid) &&
              static_cast<int>(DecayMap::kNegHeavyTail) == static_cast<int>(CoefMap::kNegHeavyTail) &&
              static_cast<int>(DecayMap::kIdentity) == static_cast<int>(CoefMap::kIdentity));

static void check_bias(const char* op, const Weight& bias, int64_t C) {
  check(bias.size() == C, ErrorCode::kData, "[{}] {} must be [{}] but is [{}]", op, bias.name, C,
        fmt::join(bias.shape, ", "));
}

Var decay(Ctx& ctx, Var x, const Weight& bias) {
  const int64_t T = ctx.rows(x), C = ctx.cols(x);
  check_bias("decay", bias, C);
  const Var out = ctx.make_like(x, C);  // [T, C] step > 0
  ctx.with_real([&]<class R>(R) {
    kernels::bias_act_forward(Act::kSoftplus, T, C, ctx.data<R>(x), bias.as<R>(), ctx.data<R>(out));
    if (!ctx.record(Role::kDecay, {x}, out, {&bias})) return;
    ctx.set_adjoint([=, &ctx, &bias](const LocalRule& rule) {
      if (!rule.coefficient) return;
      kernels::bias_act_backward(Act::kSoftplus, T, C, ctx.data<R>(x), bias.as<R>(), ctx.grad<R>(out), ctx.grad<R>(x),
                                 rule.weights ? ctx.options().grads->of<R>(bias) : nullptr);
    });
  });
  return out;
}

Var decay(Ctx& ctx, Var x, const Weight& bias, double low, double high) {
  const int64_t T = ctx.rows(x), C = ctx.cols(x);
  check_bias("decay", bias, C);
  if (low <= 0 && std::isinf(high)) return decay(ctx, x, bias);
  const Var out = ctx.make_like(x, C);  // [T, C] step in [low, high]
  ctx.with_real([&]<class R>(R) {
    const R lo = static_cast<R>(low), hi = static_cast<R>(high);
    R* y = ctx.data<R>(out);
    kernels::bias_act_forward(Act::kSoftplus, T, C, ctx.data<R>(x), bias.as<R>(), y);
    for (int64_t i = 0; i < T * C; ++i) y[i] = y[i] < lo ? lo : (y[i] > hi ? hi : y[i]);
    if (!ctx.record(Role::kDecay, {x}, out, {&bias})) return;
    ctx.set_adjoint([=, &ctx, &bias](const LocalRule& rule) {
      if (!rule.coefficient) return;
      const ArenaScope scope(ctx.scratch());
      R* inside = ctx.scratch().array<R>(static_cast<size_t>(T * C));  // [T, C] adjoint where the clamp lets it through
      const R* dy = ctx.grad<R>(out);
      for (int64_t i = 0; i < T * C; ++i) inside[i] = y[i] > lo && y[i] < hi ? dy[i] : R(0);
      kernels::bias_act_backward(Act::kSoftplus, T, C, ctx.data<R>(x), bias.as<R>(), inside, ctx.grad<R>(x),
                                 rule.weights ? ctx.options().grads->of<R>(bias) : nullptr);
    });
  });
  return out;
}

Var decay_rate(Ctx& ctx, RateMap map, Var x, const Weight& w, double factor) {
  const int64_t T = ctx.rows(x), C = ctx.cols(x), n = w.size();
  check(n > 0 && C % n == 0, ErrorCode::kData, "[decay_rate] {} must have {} numbers or one per head, but is [{}]",
        w.name, C, fmt::join(w.shape, ", "));
  const CoefMap f = map == RateMap::kNegExp ? CoefMap::kNegExp : CoefMap::kSoftplus;
  const double signed_factor = map == RateMap::kNegExp ? factor : -factor;
  const Var out = ctx.make_like(x, C);  // [T, C]
  ctx.with_real([&]<class R>(R) {
    R* rate = ctx.arena().array<R>(static_cast<size_t>(n));  // [n]
    kernels::coef_map_forward(f, static_cast<R>(signed_factor), 1, n, w.as<R>(), static_cast<const R*>(nullptr), rate);
    R* wide = ctx.arena().array<R>(static_cast<size_t>(C));  // [C] the rate of each channel
    for (int64_t c = 0; c < C; ++c) wide[c] = rate[c / (C / n)];
    kernels::skip_forward(T, C, static_cast<const R*>(nullptr), wide, ctx.data<R>(x), ctx.data<R>(out));
    if (!ctx.record(Role::kDecay, {x}, out, {&w})) return;
    ctx.set_adjoint([=, &ctx, &w](const LocalRule& rule) {
      if (!rule.coefficient) return;
      const ArenaScope scope(ctx.scratch());
      R* sums = ctx.scratch().array<R>(static_cast<size_t>(C + n));  // [C] adjoint of wide, [n] of rate
      std::memset(sums, 0, static_cast<size_t>(C + n) * sizeof(R));
      kernels::skip_backward(T, C, wide, ctx.data<R>(x), ctx.grad<R>(out), ctx.grad<R>(x),
                             rule.weights ? sums : nullptr);
      if (!rule.weights) return;
      for (int64_t c = 0; c < C; ++c) sums[C + c / (C / n)] += sums[c];
      kernels::coef_map_backward(f, static_cast<R>(signed_factor), 1, n, w.as<R>(), static_cast<const R*>(nullptr),
                                 sums + C, static_cast<R*>(nullptr), ctx.options().grads->of<R>(w));
    });
  });
  return out;
}

Var decay_map(Ctx& ctx, DecayMap map, Var x, const Weight* bias, double factor) {
  check(x != kNoVar || bias != nullptr, ErrorCode::kInternal, "[decay_map] needs an input or a bias");
  const bool constant = x == kNoVar;
  const int64_t T = constant ? ctx.input().length() : ctx.rows(x), C = constant ? bias->size() : ctx.cols(x);
  if (bias != nullptr) check_bias("decay_map", *bias, C);
  const CoefMap f = static_cast<CoefMap>(map);
  const Var out = constant ? ctx.make(T, C) : ctx.make_like(x, C);  // [T, C]
  std::vector<int64_t> starts;  // rows whose recurrence starts from zero: the root is 1 there (RG-LRU)
  if (map == DecayMap::kSqrtOneMinusExp2) {
    for (const Segment& s : ctx.layout(out).segments) {
      if (s.end > s.begin && ctx.position(s, out) == 0) starts.push_back(s.begin);
    }
  }
  ctx.with_real([&]<class R>(R) {
    const R *xv = constant ? bias->as<R>() : ctx.data<R>(x), *b = constant || bias == nullptr ? nullptr : bias->as<R>();
    R* y = ctx.data<R>(out);
    kernels::coef_map_forward(f, static_cast<R>(factor), constant ? std::min<int64_t>(T, 1) : T, C, xv, b, y);
    for (int64_t t = 1; constant && t < T; ++t) std::memcpy(y + t * C, y, static_cast<size_t>(C) * sizeof(R));
    for (int64_t t : starts) std::fill(y + t * C, y + (t + 1) * C, static_cast<R>(factor));
    if (!ctx.record(Role::kDecay, std::span(&x, constant ? 0 : 1), out, {bias})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule& rule) {
      if (!rule.coefficient) return;
      const ArenaScope scope(ctx.scratch());
      R* dy = ctx.grad<R>(out);
      for (int64_t t : starts) std::fill(dy + t * C, dy + (t + 1) * C, R(0));
      R* db = rule.weights && bias != nullptr ? ctx.options().grads->of<R>(*bias) : nullptr;
      if (!constant) return kernels::coef_map_backward(f, static_cast<R>(factor), T, C, xv, b, dy, ctx.grad<R>(x), db);
      if (db == nullptr) return;
      R* sum = ctx.scratch().array<R>(static_cast<size_t>(C));  // [C] over tokens
      std::memset(sum, 0, static_cast<size_t>(C) * sizeof(R));
      kernels::sum_rows(T, C, dy, sum);
      kernels::coef_map_backward(f, static_cast<R>(factor), 1, C, xv, b, sum, static_cast<R*>(nullptr), db);
    });
  });
  return out;
}

Var decay_constant(Ctx& ctx, std::span<const double> g) {
  const int64_t T = ctx.input().length(), n = static_cast<int64_t>(g.size());
  const Var out = ctx.make(T, n);  // [T, n]
  ctx.with_real([&]<class R>(R) {
    R* y = ctx.data<R>(out);
    for (int64_t i = 0; i < n && T > 0; ++i) y[i] = static_cast<R>(g[static_cast<size_t>(i)]);
    for (int64_t t = 1; t < T; ++t) std::memcpy(y + t * n, y, static_cast<size_t>(n) * sizeof(R));
  });
  if (ctx.record(Role::kDecay, {}, out, {})) ctx.set_adjoint([](const LocalRule&) {});
  return out;
}

// Softmax over the layers of each channel: p [L, C], and the lower bound sum_{1..layer} p [C].
template <class R>
static void layer_softmax(const Weight& lower, int64_t layer, double* p, double* bound) {
  const int64_t L = lower.rows(), C = lower.cols();
  const R* w = lower.as<R>();
  for (int64_t c = 0; c < C; ++c) {
    double top = -HUGE_VAL, sum = 0;
    for (int64_t l = 0; l < L; ++l) top = std::max(top, static_cast<double>(w[l * C + c]));
    for (int64_t l = 0; l < L; ++l) sum += p[l * C + c] = std::exp(static_cast<double>(w[l * C + c]) - top);
    bound[c] = 0;
    for (int64_t l = 0; l < L; ++l) {
      p[l * C + c] /= sum;
      if (l >= 1 && l <= layer) bound[c] += p[l * C + c];
    }
  }
}

Var decay_bound(Ctx& ctx, Var x, const Weight& lower, int64_t layer) {
  const int64_t T = ctx.rows(x), C = ctx.cols(x), L = lower.rows();
  check(lower.size() == L * C && layer >= 0 && layer < L, ErrorCode::kData,
        "[decay_bound] {} must be [layers > {}, {}] but is [{}]", lower.name, layer, C, fmt::join(lower.shape, ", "));
  const Var out = ctx.make_like(x, C);  // [T, C] log decay
  ctx.with_real([&]<class R>(R) {
    double* p = ctx.arena().array<double>(static_cast<size_t>((L + 1) * C));  // [L, C] softmax, [C] bound
    double* bound = p + L * C;
    R* beta = ctx.arena().array<R>(static_cast<size_t>(C));  // [C] log of the bound
    layer_softmax<R>(lower, layer, p, bound);
    for (int64_t c = 0; c < C; ++c) beta[c] = static_cast<R>(std::log(bound[c]));
    kernels::bounded_decay_forward(T, C, beta, ctx.data<R>(x), ctx.data<R>(out));
    if (!ctx.record(Role::kDecay, {x}, out, {&lower})) return;
    ctx.set_adjoint([=, &ctx, &lower](const LocalRule& rule) {
      if (!rule.coefficient) return;
      const ArenaScope scope(ctx.scratch());
      R* dbeta = rule.weights ? ctx.scratch().array<R>(static_cast<size_t>(C)) : nullptr;  // [C]
      if (dbeta != nullptr) std::memset(dbeta, 0, static_cast<size_t>(C) * sizeof(R));
      kernels::bounded_decay_backward(T, C, beta, ctx.data<R>(x), ctx.grad<R>(out), ctx.grad<R>(x), dbeta);
      if (dbeta == nullptr || layer == 0) return;
      R* dw = ctx.options().grads->of<R>(lower);
      for (int64_t l = 0; l < L; ++l) {
        for (int64_t c = 0; c < C; ++c) {  // d log(bound) / d lower = p ([1 <= l <= layer] - bound) / bound
          const double inside = l >= 1 && l <= layer ? 1 : 0;
          dw[l * C + c] +=
              static_cast<R>(p[l * C + c] * (inside - bound[c]) / bound[c] * static_cast<double>(dbeta[c]));
        }
      }
    });
  });
  return out;
}

}  // namespace hindscan::ops
