// Ops under test that make coefficients, act with them on signals, or normalise.
#pragma once
#include "core/ops/activation.h"
#include "core/ops/arrange.h"
#include "core/ops/decay.h"
#include "core/ops/gate.h"
#include "core/ops/norm.h"
#include "core/ops/ops_test_support.h"
#include "core/ops/token_mix.h"

namespace hindscan {

inline const Init kWeights = Init::normal(0.6);

inline std::function<void(WeightTable&)> weights(std::vector<std::vector<int64_t>> shapes) {
  return [shapes = std::move(shapes)](WeightTable& t) {
    for (size_t i = 0; i < shapes.size(); ++i) t.add(fmt::format("w{}", i), shapes[i], kWeights);
  };
}

inline OpCase map_case(const char* name, DecayMap map, bool biased, double shift = 0) {
  return {name,
          5,
          biased ? weights({{5}}) : std::function<void(WeightTable&)>(),
          [=](Ctx& c, const WeightTable& w, Var x) {
            const double by[] = {shift, shift, shift, shift, shift};
            return ops::decay_map(c, map, shift == 0 ? x : ops::add(c, x, ops::decay_constant(c, by)),
                                  biased ? &w[0] : nullptr, 0.7);
          },
          false,
          true,
          map == DecayMap::kSqrtOneMinusExp2 ? 5.9f : 20.0f};
}

inline OpCase norm_case(const char* name, NormOptions o, std::vector<std::vector<int64_t>> shapes) {
  return {name, 12, weights(std::move(shapes)), [=](Ctx& c, const WeightTable& w, Var x) {
            return ops::norm(c, o, w.size() > 0 ? &w[0] : nullptr, w.size() > 1 ? &w[1] : nullptr, x);
          }};
}  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): the function owns its shapes

inline std::vector<OpCase> coefficient_cases() {
  using K = NormOptions::Kind;
  std::vector<OpCase> out = {
      {"decay", 5, weights({{5}}), [](Ctx& c, const WeightTable& w, Var x) { return ops::decay(c, x, w[0]); }, false},
      {"decay clamped", 5, weights({{5}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::decay(c, x, w[0], 0.3, 1.1); }, false},
      {"decay_rate -exp", 6, weights({{6}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::decay_rate(c, RateMap::kNegExp, x, w[0]); }, false},
      {"decay_rate per head", 6, weights({{3}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::decay_rate(c, RateMap::kNegSoftplus, x, w[0], 8); },
       false},
      {"decay_map of a bias", 4, weights({{3}}),
       [](Ctx& c, const WeightTable& w, Var x) {
         return ops::modulate(c, ops::decay_map(c, DecayMap::kNegExp, kNoVar, &w[0]), ops::split(c, x, 0, 3));
       }},
      {"decay_bound 0", 4, weights({{3, 4}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::decay_bound(c, x, w[0], 0); }, false},
      {"decay_bound 2", 4, weights({{4, 4}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::decay_bound(c, x, w[0], 2); }, false},
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
      {"gate",
       6,
       {},
       [](Ctx& c, const WeightTable&, Var x) { return ops::gate(c, ops::split(c, x, 0, 3), ops::split(c, x, 3, 3)); }},
      {"gate per head",
       8,
       {},
       [](Ctx& c, const WeightTable&, Var x) { return ops::gate(c, ops::split(c, x, 0, 6), ops::split(c, x, 6, 2)); }},
      {"modulate",
       6,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return ops::modulate(c, ops::split(c, x, 3, 3), ops::split(c, x, 0, 3));
       }},
      {"modulate per head",
       8,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return ops::modulate(c, ops::split(c, x, 6, 2), ops::split(c, x, 0, 6));
       }},
      {"lerp",
       9,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return ops::lerp(c, ops::split(c, x, 0, 3), ops::split(c, x, 3, 3), ops::split(c, x, 6, 3));
       }},
      {"lerp per head",
       14,
       {},
       [](Ctx& c, const WeightTable&, Var x) {
         return ops::lerp(c, ops::split(c, x, 0, 6), ops::split(c, x, 6, 6), ops::split(c, x, 12, 2));
       }},
      {"mix", 4, weights({{1, 1, 4}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::mix(c, x, ops::token_shift(c, x), w[0], kNoVar, false); }},
      {"mix of x", 4, weights({{4}}),
       [](Ctx& c, const WeightTable& w, Var x) { return ops::mix(c, x, ops::token_shift(c, x), w[0], kNoVar, true); }},
      {"mix with delta", 8, weights({{4}}),
       [](Ctx& c, const WeightTable& w, Var x) {
         const Var signal = ops::split(c, x, 0, 4);
         return ops::mix(c, signal, ops::token_shift(c, signal), w[0], ops::split(c, x, 4, 4), false);
       }},
      {"head_dot", 12, weights({{2, 3}}),
       [](Ctx& c, const WeightTable& w, Var x) {
         return ops::head_dot(c, ops::split(c, x, 0, 6), ops::split(c, x, 6, 6), &w[0], 2);
       },
       false},
      {"head_dot with itself",
       6,
       {},
       [](Ctx& c, const WeightTable&, Var x) { return ops::head_dot(c, x, x, nullptr, 3); },
       false},
      {"soft_cap", 5, {}, [](Ctx& c, const WeightTable&, Var x) { return ops::soft_cap(c, 1.5, x); }},
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

}  // namespace hindscan
