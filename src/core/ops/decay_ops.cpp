// Role decay: coefficients of recurrences and gates from their raw values. Adjoint: the exact derivative; nothing under
// frozen rules, where coefficients are constants.
#include <cmath>
#include <cstring>

#include "core/context.h"
#include "kernels/pointwise_coef.h"

namespace hindscan {

using kernels::Act;
using kernels::CoefMap;
static_assert(static_cast<int>(DecayMap::kLogSigmoid) == static_cast<int>(CoefMap::kLogSigmoid) &&
              static_cast<int>(DecayMap::kNegHeavyTail) == static_cast<int>(CoefMap::kNegHeavyTail) &&
              static_cast<int>(DecayMap::kIdentity) == static_cast<int>(CoefMap::kIdentity));

static void check_bias(const char* op, const Weight& bias, int64_t C) {
  check(bias.size() == C, ErrorCode::kData, "[{}] {} must be [{}] but is [{}]", op, bias.name, C,
        fmt::join(bias.shape, ", "));
}

Var Ctx::decay(Var x, const Weight& bias) {
  const int64_t T = rows(x), C = cols(x);
  check_bias("decay", bias, C);
  const Var out = make_like(x, C);  // [T, C] step > 0
  with_real([&]<class R>(R) {
    kernels::bias_act_forward(Act::kSoftplus, T, C, data<R>(x), bias.as<R>(), data<R>(out));
    if (!record(Role::kDecay, {x}, out, {&bias})) return;
    set_adjoint([=, this, &bias](const LocalRule& rule) {
      if (!rule.coefficient) return;
      kernels::bias_act_backward(Act::kSoftplus, T, C, data<R>(x), bias.as<R>(), grad<R>(out), grad<R>(x),
                                 rule.weights ? options_.grads->of<R>(bias) : nullptr);
    });
  });
  return out;
}

Var Ctx::decay(Var x, const Weight& bias, double low, double high) {
  const int64_t T = rows(x), C = cols(x);
  check_bias("decay", bias, C);
  if (low <= 0 && std::isinf(high)) return decay(x, bias);
  const Var out = make_like(x, C);  // [T, C] step in [low, high]
  with_real([&]<class R>(R) {
    const R lo = static_cast<R>(low), hi = static_cast<R>(high);
    R* y = data<R>(out);
    kernels::bias_act_forward(Act::kSoftplus, T, C, data<R>(x), bias.as<R>(), y);
    for (int64_t i = 0; i < T * C; ++i) y[i] = y[i] < lo ? lo : (y[i] > hi ? hi : y[i]);
    if (!record(Role::kDecay, {x}, out, {&bias})) return;
    set_adjoint([=, this, &bias](const LocalRule& rule) {
      if (!rule.coefficient) return;
      const ArenaScope scope(scratch_);
      R* inside = scratch_.array<R>(static_cast<size_t>(T * C));  // [T, C] adjoint where the clamp lets it through
      const R* dy = grad<R>(out);
      for (int64_t i = 0; i < T * C; ++i) inside[i] = y[i] > lo && y[i] < hi ? dy[i] : R(0);
      kernels::bias_act_backward(Act::kSoftplus, T, C, data<R>(x), bias.as<R>(), inside, grad<R>(x),
                                 rule.weights ? options_.grads->of<R>(bias) : nullptr);
    });
  });
  return out;
}

Var Ctx::decay_rate(RateMap map, Var x, const Weight& w, double factor) {
  const int64_t T = rows(x), C = cols(x), n = w.size();
  check(n > 0 && C % n == 0, ErrorCode::kData, "[decay_rate] {} must have {} numbers or one per head, but is [{}]",
        w.name, C, fmt::join(w.shape, ", "));
  const CoefMap f = map == RateMap::kNegExp ? CoefMap::kNegExp : CoefMap::kSoftplus;
  const double signed_factor = map == RateMap::kNegExp ? factor : -factor;
  const Var out = make_like(x, C);  // [T, C]
  with_real([&]<class R>(R) {
    R* rate = arena_->array<R>(static_cast<size_t>(n));  // [n]
    kernels::coef_map_forward(f, static_cast<R>(signed_factor), 1, n, w.as<R>(), static_cast<const R*>(nullptr), rate);
    R* wide = arena_->array<R>(static_cast<size_t>(C));  // [C] the rate of each channel
    for (int64_t c = 0; c < C; ++c) wide[c] = rate[c / (C / n)];
    kernels::skip_forward(T, C, static_cast<const R*>(nullptr), wide, data<R>(x), data<R>(out));
    if (!record(Role::kDecay, {x}, out, {&w})) return;
    set_adjoint([=, this, &w](const LocalRule& rule) {
      if (!rule.coefficient) return;
      const ArenaScope scope(scratch_);
      R* sums = scratch_.array<R>(static_cast<size_t>(C + n));  // [C] adjoint of wide, [n] of rate
      std::memset(sums, 0, static_cast<size_t>(C + n) * sizeof(R));
      kernels::skip_backward(T, C, wide, data<R>(x), grad<R>(out), grad<R>(x), rule.weights ? sums : nullptr);
      if (!rule.weights) return;
      for (int64_t c = 0; c < C; ++c) sums[C + c / (C / n)] += sums[c];
      kernels::coef_map_backward(f, static_cast<R>(signed_factor), 1, n, w.as<R>(), static_cast<const R*>(nullptr),
                                 sums + C, static_cast<R*>(nullptr), options_.grads->of<R>(w));
    });
  });
  return out;
}

Var Ctx::decay_map(DecayMap map, Var x, const Weight* bias, double factor) {
  check(x != kNoVar || bias != nullptr, ErrorCode::kInternal, "[decay_map] needs an input or a bias");
  const bool constant = x == kNoVar;
  const int64_t T = constant ? input_.length() : rows(x), C = constant ? bias->size() : cols(x);
  if (bias != nullptr) check_bias("decay_map", *bias, C);
  const CoefMap f = static_cast<CoefMap>(map);
  const Var out = constant ? make(T, C) : make_like(x, C);  // [T, C]
  std::vector<int64_t> starts;  // rows whose recurrence starts from zero: the root is 1 there (RG-LRU)
  if (map == DecayMap::kSqrtOneMinusExp2) {
    for (const Segment& s : layout(out).segments) {
      if (s.end > s.begin && position(s, out) == 0) starts.push_back(s.begin);
    }
  }
  with_real([&]<class R>(R) {
    const R *xv = constant ? bias->as<R>() : data<R>(x), *b = constant || bias == nullptr ? nullptr : bias->as<R>();
    R* y = data<R>(out);
    kernels::coef_map_forward(f, static_cast<R>(factor), constant ? std::min<int64_t>(T, 1) : T, C, xv, b, y);
    for (int64_t t = 1; constant && t < T; ++t) std::memcpy(y + t * C, y, static_cast<size_t>(C) * sizeof(R));
    for (int64_t t : starts) std::fill(y + t * C, y + (t + 1) * C, static_cast<R>(factor));
    if (!record(Role::kDecay, std::span(&x, constant ? 0 : 1), out, {bias})) return;
    set_adjoint([=, this](const LocalRule& rule) {
      if (!rule.coefficient) return;
      const ArenaScope scope(scratch_);
      R* dy = grad<R>(out);
      for (int64_t t : starts) std::fill(dy + t * C, dy + (t + 1) * C, R(0));
      R* db = rule.weights && bias != nullptr ? options_.grads->of<R>(*bias) : nullptr;
      if (!constant) return kernels::coef_map_backward(f, static_cast<R>(factor), T, C, xv, b, dy, grad<R>(x), db);
      if (db == nullptr) return;
      R* sum = scratch_.array<R>(static_cast<size_t>(C));  // [C] over tokens
      std::memset(sum, 0, static_cast<size_t>(C) * sizeof(R));
      kernels::sum_rows(T, C, dy, sum);
      kernels::coef_map_backward(f, static_cast<R>(factor), 1, C, xv, b, sum, static_cast<R*>(nullptr), db);
    });
  });
  return out;
}

Var Ctx::decay_constant(std::span<const double> g) {
  const int64_t T = input_.length(), n = static_cast<int64_t>(g.size());
  const Var out = make(T, n);  // [T, n]
  with_real([&]<class R>(R) {
    R* y = data<R>(out);
    for (int64_t i = 0; i < n && T > 0; ++i) y[i] = static_cast<R>(g[static_cast<size_t>(i)]);
    for (int64_t t = 1; t < T; ++t) std::memcpy(y + t * n, y, static_cast<size_t>(n) * sizeof(R));
  });
  if (record(Role::kDecay, {}, out, {})) set_adjoint([](const LocalRule&) {});
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

Var Ctx::decay_bound(Var x, const Weight& lower, int64_t layer) {
  const int64_t T = rows(x), C = cols(x), L = lower.rows();
  check(lower.size() == L * C && layer >= 0 && layer < L, ErrorCode::kData,
        "[decay_bound] {} must be [layers > {}, {}] but is [{}]", lower.name, layer, C, fmt::join(lower.shape, ", "));
  const Var out = make_like(x, C);  // [T, C] log decay
  with_real([&]<class R>(R) {
    double* p = arena_->array<double>(static_cast<size_t>((L + 1) * C));  // [L, C] softmax, [C] bound
    double* bound = p + L * C;
    R* beta = arena_->array<R>(static_cast<size_t>(C));  // [C] log of the bound
    layer_softmax<R>(lower, layer, p, bound);
    for (int64_t c = 0; c < C; ++c) beta[c] = static_cast<R>(std::log(bound[c]));
    kernels::bounded_decay_forward(T, C, beta, data<R>(x), data<R>(out));
    if (!record(Role::kDecay, {x}, out, {&lower})) return;
    set_adjoint([=, this, &lower](const LocalRule& rule) {
      if (!rule.coefficient) return;
      const ArenaScope scope(scratch_);
      R* dbeta = rule.weights ? scratch_.array<R>(static_cast<size_t>(C)) : nullptr;  // [C]
      if (dbeta != nullptr) std::memset(dbeta, 0, static_cast<size_t>(C) * sizeof(R));
      kernels::bounded_decay_backward(T, C, beta, data<R>(x), grad<R>(out), grad<R>(x), dbeta);
      if (dbeta == nullptr || layer == 0) return;
      R* dw = options_.grads->of<R>(lower);
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

}  // namespace hindscan
