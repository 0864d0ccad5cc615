// The table of ops under test: signals, rotations, experts, orders; with the coefficients.
#pragma once
#include "core/ops/arrange.h"
#include "core/ops/coefficient_test_cases.h"
#include "core/ops/experts.h"
#include "core/ops/linear.h"
#include "core/ops/order.h"
#include "core/ops/pool.h"
#include "core/ops/rotate.h"
#include "core/ops/scale.h"
#include "core/ops/skip.h"
#include "core/ops/token_mix.h"

namespace hindscan {

inline TokenOrder order_of(std::vector<int64_t> index, std::vector<uint8_t> resets = {}) {
  return {std::move(index), std::move(resets)};
}

inline Var experts_of(Ctx& c, const WeightTable& w, Var x, const Route& route) {
  const Var chosen = ops::moe_route(c, ops::split(c, x, 0, 4), route), signal = ops::split(c, x, 4, 3);
  std::vector<int64_t> ids = {0, 1, 2, 3};
  std::vector<Var> parts;
  parts.reserve(ids.size());
  for (int64_t e : ids)
    parts.push_back(ops::expert_linear(c, w[0], &w[1], e, ops::select(c, signal, ops::routed_rows(c, chosen, e))));
  return ops::combine_experts(c, chosen, ids, parts, 5);
}

// Linear ops whose weights lie in other ways.
inline std::vector<OpCase> linear_layout_cases() {
  return {
      {"linear_in", 5, weights({{5, 3}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::linear_in(c, w[0], x); }},
      {"linear_in rows", 4, weights({{3, 2, 5}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::linear_in(c, w[0], x, 2, 4); }},
      {"block_linear", 6, weights({{2, 3, 4}, {2, 4}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::block_linear(c, w[0], &w[1], x); }},
      {"expert_linear", 3, weights({{4, 5, 3}, {4, 5}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::expert_linear(c, w[0], &w[1], 2, x); }},
  };
}

inline std::vector<OpCase> signal_cases() {
  std::vector<OpCase> out = {
      {"scale", 5, {}, [](Ctx& c, const WeightTable&, Var x) { return ops::scale(c, -1.7, x); }},
      {"channel_scale", 5, weights({{5}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::channel_scale(c, w[0], x); }},
      {"skip per head", 10, weights({{2}}),
       [](Ctx& c, const WeightTable& w, Var x) {
         return ops::skip(c, w[0], ops::split(c, x, 4, 6), ops::split(c, x, 0, 6));
       }},
      {"skip of the current token", 24, weights({{2, 3}}),
       [](Ctx& c, const WeightTable& w, Var x) {
         return ops::skip(
             c, CurrentToken{2, ops::split(c, x, 0, 6), ops::split(c, x, 6, 6), ops::split(c, x, 12, 6), &w[0]},
             ops::split(c, x, 18, 6));
       }},
      {"concat",
       5,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         const Var parts[] = {ops::split(c, x, 3, 2), x, ops::split(c, x, 0, 1)};
         return ops::concat(c, parts);
       }},
      {"split_strided", 10, {}, [](Ctx& c, const WeightTable&, Var x) { return ops::split_strided(c, x, 3, 3, 1, 2); }},
      {"head_broadcast", 6, {}, [](Ctx& c, const WeightTable&, Var x) { return ops::head_broadcast(c, x, 3, 2); }},
      {"rank_expand", 6, weights({{2, 4, 3}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::rank_expand(c, w[0], x, 2, 4); }},
      {"rank_reduce", 24, weights({{2, 4, 3}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::rank_reduce(c, w[0], x, 2, 4); }},
      {"token_shift", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return ops::token_shift(c, x); }},
      {"two token_shifts",
       3,
       {},
       [](Ctx& c, const WeightTable&, Var x) { return ops::token_shift(c, ops::token_shift(c, x)); }},
      {"rope",
       14,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return ops::rope(c, {2, 7, 6, 100, false}, x);
       }},
      {"rope interleaved",
       8,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return ops::rope(c, {1, 8, 4, 10000, true}, x);
       }},
      {"rotate",
       12,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return ops::rotate(c, ops::split(c, x, 0, 8), ops::split(c, x, 8, 4), 2, true);
       }},
      {"rotate halves in part",
       14,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return ops::rotate(c, ops::split(c, x, 0, 12), ops::split(c, x, 12, 2), 2, false);
       }},
      {"phase",
       13,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         const Var theta = ops::phase(c, ops::split(c, x, 8, 2), ops::split(c, x, 10, 2), 2);
         return ops::rotate(c, ops::split(c, x, 0, 8), theta, 2, true);
       }},
      {"experts", 7, weights({{4, 5, 3}, {4, 5}}),
       [](Ctx& c, const WeightTable& w, Var x) {
         return experts_of(c, w, x, {2, true, false, 1.5});
       }},
      {"experts sigmoid", 7, weights({{4, 5, 3}, {4, 5}}),
       [](Ctx& c, const WeightTable& w, Var x) {
         return experts_of(c, w, x, {3, false, true});
       }},
      {"experts sigmoid normalised", 7, weights({{4, 5, 3}, {4, 5}}),
       [](Ctx& c, const WeightTable& w, Var x) {
         return experts_of(c, w, x, {2, true, true});
       }},
      {"gather",
       3,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return ops::gather_tokens(c, x, order_of({6, 0, 2, 2, 5}));
       },
       true,
       false},
      {"scatter_add",
       3,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         const TokenOrder o = order_of({6, 0, 2, 2, 5});
         return ops::scatter_add_tokens(c, ops::gather_tokens(c, x, o), o, x);
       },
       true,
       false},
      {"pool_tokens",
       3,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return ops::pool_tokens(c, x, order_of({6, 0, 2, 2, 5, 1}), 3);
       },
       true,
       false},
      {"insert_token", 3, weights({{1, 1, 3}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::token_shift(c, ops::insert_token(c, w[0], x, 4)); }, true,
       false},
      {"shift in another order",
       3,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return ops::token_shift(c, ops::gather_tokens(c, x, order_of({6, 5, 4, 3, 2, 1, 0}, {0, 0, 0, 1, 0, 0, 1})));
       },
       true,
       false},
      {"rope in another order",
       4,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return ops::rope(c, {1, 4, 4},
                          ops::gather_tokens(c, x, order_of({6, 5, 4, 3, 2, 1, 0}, {0, 0, 0, 1, 0, 0, 1})));
       },
       true,
       false},
      {"pool mean", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return ops::pool(c, Pool::kMean, x); }, true, false},
      {"pool last", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return ops::pool(c, Pool::kLast, x); }, true, false},
      {"pool first",
       3,
       {},
       [](Ctx& c, const WeightTable&, Var x) { return ops::pool(c, Pool::kFirst, x); },
       true,
       false},
      {"pool max", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return ops::pool(c, Pool::kMax, x); }, true, false},
  };
  for (OpCase& layout : linear_layout_cases()) out.push_back(std::move(layout));
  return out;
}

inline std::vector<OpCase> all_cases() {
  std::vector<OpCase> out = coefficient_cases();
  for (OpCase& c : signal_cases()) out.push_back(std::move(c));
  return out;
}

}  // namespace hindscan
