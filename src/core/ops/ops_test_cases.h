// The table of ops under test: coefficients, norms, signals, rotations, experts, orders.
#pragma once
#include "core/ops/ops_test_support.h"

namespace hindscan {

inline const Init kWeights = Init::normal(0.6);

inline std::function<void(WeightTable&)> weights(std::vector<std::vector<int64_t>> shapes) {
  return [shapes](WeightTable& t) {
    for (size_t i = 0; i < shapes.size(); ++i) t.add(fmt::format("w{}", i), shapes[i], kWeights);
  };
}

inline OpCase map_case(const char* name, DecayMap map, bool biased, double shift = 0) {
  return {name,
          5,
          biased ? weights({{5}}) : std::function<void(WeightTable&)>(),
          [=](Ctx& c, const WeightTable& w, Var x) {
            const double by[] = {shift, shift, shift, shift, shift};
            return c.decay_map(map, shift == 0 ? x : c.add(x, c.decay_constant(by)), biased ? &w[0] : nullptr, 0.7);
          },
          false,
          true,
          map == DecayMap::kSqrtOneMinusExp2 ? 5.9f : 20.0f};
}

inline OpCase norm_case(const char* name, NormOptions o, std::vector<std::vector<int64_t>> shapes) {
  return {name, 12, weights(shapes), [=](Ctx& c, const WeightTable& w, Var x) {
            return c.norm(o, w.size() > 0 ? &w[0] : nullptr, w.size() > 1 ? &w[1] : nullptr, x);
          }};
}

inline std::vector<OpCase> coefficient_cases() {
  using K = NormOptions::Kind;
  std::vector<OpCase> out = {
      {"decay", 5, weights({{5}}), [](Ctx& c, const WeightTable& w, Var x) { return c.decay(x, w[0]); }, false},
      {"decay clamped", 5, weights({{5}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.decay(x, w[0], 0.3, 1.1); }, false},
      {"decay_rate -exp", 6, weights({{6}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.decay_rate(RateMap::kNegExp, x, w[0]); }, false},
      {"decay_rate per head", 6, weights({{3}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.decay_rate(RateMap::kNegSoftplus, x, w[0], 8); }, false},
      {"decay_map of a bias", 4, weights({{3}}),
       [](Ctx& c, const WeightTable& w, Var x) {
         return c.modulate(c.decay_map(DecayMap::kNegExp, kNoVar, &w[0]), c.split(x, 0, 3));
       }},
      {"decay_bound 0", 4, weights({{3, 4}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.decay_bound(x, w[0], 0); }, false},
      {"decay_bound 2", 4, weights({{4, 4}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.decay_bound(x, w[0], 2); }, false},
      map_case("log sigmoid", DecayMap::kLogSigmoid, true),
      map_case("sigmoid", DecayMap::kSigmoid, false),
      map_case("-sigmoid", DecayMap::kNegSigmoid, true),
      map_case("-exp", DecayMap::kNegExp, true),
      map_case("exp", DecayMap::kExp, false),
      map_case("1 - exp", DecayMap::kOneMinusExp, false),
      map_case("sqrt(1 - exp 2x)", DecayMap::kSqrtOneMinusExp2, false, -6),
      map_case("heavy tail", DecayMap::kNegHeavyTail, true),
      map_case("softplus", DecayMap::kSoftplus, true),
      map_case("tanh", DecayMap::kTanh, true),
      map_case("identity", DecayMap::kIdentity, true),
      {"gate", 6, {}, [](Ctx& c, const WeightTable&, Var x) { return c.gate(c.split(x, 0, 3), c.split(x, 3, 3)); }},
      {"gate per head",
       8,
       {},
       [](Ctx& c, const WeightTable&, Var x) { return c.gate(c.split(x, 0, 6), c.split(x, 6, 2)); }},
      {"modulate",
       6,
       {},
       [](Ctx& c, const WeightTable&, Var x) { return c.modulate(c.split(x, 3, 3), c.split(x, 0, 3)); }},
      {"modulate per head",
       8,
       {},
       [](Ctx& c, const WeightTable&, Var x) { return c.modulate(c.split(x, 6, 2), c.split(x, 0, 6)); }},
      {"lerp",
       9,
       {},
       [](Ctx& c, const WeightTable&, Var x) { return c.lerp(c.split(x, 0, 3), c.split(x, 3, 3), c.split(x, 6, 3)); }},
      {"lerp per head",
       14,
       {},
       [](Ctx& c, const WeightTable&, Var x) { return c.lerp(c.split(x, 0, 6), c.split(x, 6, 6), c.split(x, 12, 2)); }},
      {"mix", 4, weights({{1, 1, 4}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.mix(x, c.token_shift(x), w[0], kNoVar, false); }},
      {"mix of x", 4, weights({{4}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.mix(x, c.token_shift(x), w[0], kNoVar, true); }},
      {"mix with delta", 8, weights({{4}}),
       [](Ctx& c, const WeightTable& w, Var x) {
         const Var signal = c.split(x, 0, 4);
         return c.mix(signal, c.token_shift(signal), w[0], c.split(x, 4, 4), false);
       }},
      {"head_dot", 12, weights({{2, 3}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.head_dot(c.split(x, 0, 6), c.split(x, 6, 6), &w[0], 2); },
       false},
      {"head_dot with itself",
       6,
       {},
       [](Ctx& c, const WeightTable&, Var x) { return c.head_dot(x, x, nullptr, 3); },
       false},
      {"soft_cap", 5, {}, [](Ctx& c, const WeightTable&, Var x) { return c.soft_cap(1.5, x); }},
      norm_case("rms groups", {K::kRms, 1e-3, 3, false}, {{4}}),
      norm_case("rms one plus", {K::kRms, 1e-3, 1, true}, {{12}}),
      norm_case("rms plain", {}, {{12}}),
      norm_case("rms bias", {}, {{12}, {12}}),
      norm_case("layer", {K::kLayer, 1e-3, 1, false}, {{12}, {12}}),
      norm_case("layer plain", {K::kLayer, 1e-5, 4, false}, {}),
      norm_case("group", {K::kLayer, 1e-3, 3, true}, {{12}, {12}}),
      norm_case("group shared", {K::kLayer, 1e-3, 2, false}, {{6}, {6}}),
      norm_case("l2 inside", {K::kL2Inside, 1e-3, 3, false}, {}),
      norm_case("l2 max", {K::kL2Max, 1e-12, 3, false}, {}),
      norm_case("l2 max clamped", {K::kL2Max, 3, 6, false}, {}),
  };
  return out;
}

inline TokenOrder order_of(std::vector<int64_t> index, std::vector<uint8_t> resets = {}) {
  return {std::move(index), std::move(resets)};
}

inline Var experts_of(Ctx& c, const WeightTable& w, Var x, const Route& route) {
  const Var chosen = c.moe_route(c.split(x, 0, 4), route), signal = c.split(x, 4, 3);
  std::vector<int64_t> ids = {0, 1, 2, 3};
  std::vector<Var> parts;
  for (int64_t e : ids) parts.push_back(c.expert_linear(w[0], &w[1], e, c.select(signal, c.routed_rows(chosen, e))));
  return c.combine_experts(chosen, ids, parts, 5);
}

// Linear ops whose weights lie in other ways.
inline std::vector<OpCase> linear_layout_cases() {
  return {
      {"linear_in", 5, weights({{5, 3}}), [](Ctx& c, const WeightTable& w, Var x) { return c.linear_in(w[0], x); }},
      {"linear_in rows", 4, weights({{3, 2, 5}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.linear_in(w[0], x, 2, 4); }},
      {"block_linear", 6, weights({{2, 3, 4}, {2, 4}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.block_linear(w[0], &w[1], x); }},
      {"expert_linear", 3, weights({{4, 5, 3}, {4, 5}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.expert_linear(w[0], &w[1], 2, x); }},
  };
}

inline std::vector<OpCase> signal_cases() {
  std::vector<OpCase> out = {
      {"scale", 5, {}, [](Ctx& c, const WeightTable&, Var x) { return c.scale(-1.7, x); }},
      {"channel_scale", 5, weights({{5}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.channel_scale(w[0], x); }},
      {"skip per head", 10, weights({{2}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.skip(w[0], c.split(x, 4, 6), c.split(x, 0, 6)); }},
      {"skip of the current token", 24, weights({{2, 3}}),
       [](Ctx& c, const WeightTable& w, Var x) {
         return c.skip(CurrentToken{2, c.split(x, 0, 6), c.split(x, 6, 6), c.split(x, 12, 6), &w[0]},
                       c.split(x, 18, 6));
       }},
      {"concat",
       5,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         const Var parts[] = {c.split(x, 3, 2), x, c.split(x, 0, 1)};
         return c.concat(parts);
       }},
      {"split_strided", 10, {}, [](Ctx& c, const WeightTable&, Var x) { return c.split_strided(x, 3, 3, 1, 2); }},
      {"head_broadcast", 6, {}, [](Ctx& c, const WeightTable&, Var x) { return c.head_broadcast(x, 3, 2); }},
      {"rank_expand", 6, weights({{2, 4, 3}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.rank_expand(w[0], x, 2, 4); }},
      {"rank_reduce", 24, weights({{2, 4, 3}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.rank_reduce(w[0], x, 2, 4); }},
      {"token_shift", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return c.token_shift(x); }},
      {"two token_shifts", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return c.token_shift(c.token_shift(x)); }},
      {"rope",
       14,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return c.rope({2, 7, 6, 100, false}, x);
       }},
      {"rope interleaved",
       8,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return c.rope({1, 8, 4, 10000, true}, x);
       }},
      {"rotate",
       12,
       {},
       [](Ctx& c, const WeightTable&, Var x) { return c.rotate(c.split(x, 0, 8), c.split(x, 8, 4), 2, true); }},
      {"rotate halves in part",
       14,
       {},
       [](Ctx& c, const WeightTable&, Var x) { return c.rotate(c.split(x, 0, 12), c.split(x, 12, 2), 2, false); }},
      {"phase",
       13,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         const Var theta = c.phase(c.split(x, 8, 2), c.split(x, 10, 2), 2);
         return c.rotate(c.split(x, 0, 8), theta, 2, true);
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
         return c.gather_tokens(x, order_of({6, 0, 2, 2, 5}));
       },
       true,
       false},
      {"scatter_add",
       3,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         const TokenOrder o = order_of({6, 0, 2, 2, 5});
         return c.scatter_add_tokens(c.gather_tokens(x, o), o, x);
       },
       true,
       false},
      {"pool_tokens",
       3,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return c.pool_tokens(x, order_of({6, 0, 2, 2, 5, 1}), 3);
       },
       true,
       false},
      {"insert_token", 3, weights({{1, 1, 3}}),
       [](Ctx& c, const WeightTable& w, Var x) { return c.token_shift(c.insert_token(w[0], x, 4)); }, true, false},
      {"shift in another order",
       3,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return c.token_shift(c.gather_tokens(x, order_of({6, 5, 4, 3, 2, 1, 0}, {0, 0, 0, 1, 0, 0, 1})));
       },
       true,
       false},
      {"rope in another order",
       4,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return c.rope({1, 4, 4}, c.gather_tokens(x, order_of({6, 5, 4, 3, 2, 1, 0}, {0, 0, 0, 1, 0, 0, 1})));
       },
       true,
       false},
      {"pool mean", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return c.pool(Pool::kMean, x); }, true, false},
      {"pool last", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return c.pool(Pool::kLast, x); }, true, false},
      {"pool first", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return c.pool(Pool::kFirst, x); }, true, false},
      {"pool max", 3, {}, [](Ctx& c, const WeightTable&, Var x) { return c.pool(Pool::kMax, x); }, true, false},
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
