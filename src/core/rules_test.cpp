// The table of rules, and what it says to the op of each role.
#include "core/rules.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "core/local_rule.h"

namespace hindscan {
namespace {

constexpr Rule kRules[] = {Rule::kExact, Rule::kFrozen, Rule::kHalf, Rule::kIdentity, Rule::kEpsilon, Rule::kGamma};

RoleRule with_numbers(Rule kind) {
  RoleRule rule{kind};
  if (kind == Rule::kIdentity || kind == Rule::kEpsilon) rule.epsilon = 1e-6;
  if (kind == Rule::kGamma) rule.gamma = 0.25;
  return rule;
}

// The message of what set() throws, or nothing.
std::string refusal(Role role, const RoleRule& rule) {
  AdjointRules rules;
  try {
    rules.set(role, rule);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_EQ(rules.of(role).kind, Rule::kExact) << "changed all the same";
    return e.what();
  }
  EXPECT_EQ(rules.of(role).kind, rule.kind);
  EXPECT_EQ(rules.of(role).epsilon, rule.epsilon);
  EXPECT_EQ(rules.of(role).gamma, rule.gamma);
  return "";
}

TEST(Rules, ARoleTakesTheRulesItKnowsAndRefusesTheOthersByName) {
  int refused = 0;
  for (size_t i = 0; i < kRoles; ++i) {
    const Role role = static_cast<Role>(i);
    for (const Rule kind : kRules) {
      const std::string message = refusal(role, with_numbers(kind));
      EXPECT_EQ(message.empty(), role_knows(role, kind)) << role_name(role) << ": " << message;
      if (message.empty()) continue;
      ++refused;
      EXPECT_NE(message.find(role_name(role)), std::string::npos) << message;
    }
  }
  EXPECT_GT(refused, 80);
  EXPECT_NE(refusal(Role::kModulate, {Rule::kHalf}).find("found half"), std::string::npos);
}

TEST(Rules, ANumberThatTheRuleHasNotIsRefused) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  for (const RoleRule& rule :
       {RoleRule{Rule::kEpsilon}, RoleRule{Rule::kEpsilon, 1e-6, 0.25}, RoleRule{Rule::kEpsilon, -1e-6},
        RoleRule{Rule::kEpsilon, nan}, RoleRule{Rule::kEpsilon, inf}, RoleRule{Rule::kEpsilon, 1e-40},
        RoleRule{Rule::kGamma}, RoleRule{Rule::kGamma, 1e-6}, RoleRule{Rule::kGamma, 0, -1},
        RoleRule{Rule::kGamma, nan, 1}, RoleRule{Rule::kExact, 1e-6}, RoleRule{Rule::kExact, 0, 1}})
    EXPECT_NE(refusal(Role::kLinear, rule), "");
  EXPECT_EQ(refusal(Role::kLinear, {Rule::kGamma, 1e-6, 1}), "");
  EXPECT_NE(refusal(Role::kNorm, {Rule::kIdentity}), "");
  EXPECT_NE(refusal(Role::kGate, {Rule::kHalf, 0, 0.5}), "");
}

TEST(Rules, NamedSetsDifferWhereTheirNamesSay) {
  constexpr AdjointRules exact = exact_rules(), frozen = frozen_rules(), half = half_rules(),
                         attnlrp = half_attnlrp_rules(), training = training_rules();
  for (size_t i = 0; i < kRoles; ++i) {
    const Role role = static_cast<Role>(i);
    EXPECT_EQ(exact.of(role).kind, Rule::kExact);
    EXPECT_EQ(training.of(role).kind, Rule::kExact);
    EXPECT_EQ(frozen.of(role).kind, role_knows(role, Rule::kFrozen) ? Rule::kFrozen : Rule::kExact) << role_name(role);
    EXPECT_EQ(half.of(role).kind, role == Role::kGate ? Rule::kHalf : frozen.of(role).kind) << role_name(role);
    EXPECT_EQ(attnlrp.of(role).kind, role == Role::kAttention ? Rule::kHalf : half.of(role).kind) << role_name(role);
  }
  EXPECT_TRUE(training.weights);
  EXPECT_FALSE(exact.weights || frozen.weights || half.weights || attnlrp.weights);
}

TEST(Rules, WeightGradientsAreThoseOfExactOrFrozenRules) {
  AdjointRules rules = half_rules();
  rules.weights = true;
  EXPECT_THROW(resolve(rules, Role::kGate, true), Error);
  rules = training_rules().set(Role::kLinear, {Rule::kEpsilon, 1e-6});
  EXPECT_THROW(resolve(rules, Role::kLinear, false), Error);
  EXPECT_TRUE(resolve(rules, Role::kGate, true).weights);
}

TEST(Rules, AGateCarriesItsSidesByRuleAndPath) {
  using P = MixerPath;
  for (const P path : {P::kAll, P::kValue, P::kWrite, P::kDecay, P::kRead, P::kGate}) {
    for (const bool second_is_signal : {false, true}) {
      AdjointRules exact, frozen = frozen_rules(), half = half_rules();
      exact.path = frozen.path = half.path = path;
      const bool gate = path == P::kAll || path == P::kGate;
      const LocalRule e = resolve(exact, Role::kGate, second_is_signal),
                      f = resolve(frozen, Role::kGate, second_is_signal),
                      h = resolve(half, Role::kGate, second_is_signal);
      for (const LocalRule* rule : {&e, &f, &h}) EXPECT_EQ(rule->signal, path != P::kGate);
      EXPECT_EQ(e.coefficient, gate);
      EXPECT_FALSE(f.coefficient);
      EXPECT_EQ(h.coefficient, gate && second_is_signal);
      EXPECT_EQ(e.share, 1);
      EXPECT_EQ(f.share, 1);
      EXPECT_EQ(h.share, second_is_signal ? 0.5 : 1);
    }
  }
}

TEST(Rules, ACoreCarriesTheInputOfThePath) {
  using P = MixerPath;
  for (const Role role : {Role::kGlr, Role::kAttention, Role::kNonlinear, Role::kSkip}) {
    for (const P path : {P::kAll, P::kValue, P::kWrite, P::kDecay, P::kRead, P::kGate}) {
      const auto on = [&](P p) { return path == P::kAll || path == p; };
      AdjointRules exact, frozen = frozen_rules();
      exact.path = frozen.path = path;
      const LocalRule e = resolve(exact, role, true), f = resolve(frozen, role, true);
      EXPECT_EQ(e.value, on(P::kValue)) << mixer_path_name(path);
      EXPECT_EQ(e.write, on(P::kWrite));
      EXPECT_EQ(e.decay, on(P::kDecay) && role != Role::kSkip);
      EXPECT_EQ(e.read, on(P::kRead));
      EXPECT_EQ(f.value, on(P::kValue));
      EXPECT_FALSE(f.any_coefficient());
      EXPECT_EQ(resolve(exact, Role::kBeside, true).signal, on(P::kValue));
      EXPECT_EQ(e.slot("conv"), path == P::kAll ? "conv" : std::string("conv#") + mixer_path_name(path));
      exact.skip = false;
      EXPECT_EQ(resolve(exact, role, true).any_input(), role != Role::kSkip && path != P::kGate);
    }
  }
}

TEST(Rules, AttentionSharesBetweenItsInputsUnderTheHalfRuleOnly) {
  for (const MixerPath path : {MixerPath::kAll, MixerPath::kValue, MixerPath::kWrite, MixerPath::kRead}) {
    AdjointRules exact, shared = half_attnlrp_rules();
    exact.path = shared.path = path;
    const LocalRule e = resolve(exact, Role::kAttention, true), s = resolve(shared, Role::kAttention, true);
    EXPECT_EQ(s.share, 0.5);
    EXPECT_EQ(e.share, 1);
    EXPECT_EQ(resolve(half_rules(), Role::kAttention, true).share, 1);
    EXPECT_EQ(s.value, e.value) << mixer_path_name(path);
    EXPECT_EQ(s.write, e.write) << mixer_path_name(path);
    EXPECT_EQ(s.read, e.read) << mixer_path_name(path);
  }
  EXPECT_FALSE(resolve(half_attnlrp_rules(), Role::kGlr, true).any_coefficient());
}

TEST(Rules, WhatIsMadeOfCoefficientsAloneIsOne) {
  using kernels::Act;
  for (const Act act : {Act::kSilu, Act::kGelu, Act::kGeluTanh, Act::kRelu, Act::kRelu2, Act::kTanh, Act::kIdentity}) {
    EXPECT_FALSE(makes_coefficient(Role::kActivation, act, false));
    EXPECT_TRUE(makes_coefficient(Role::kActivation, act, true));
  }
  for (const Act act : {Act::kSigmoid, Act::kSoftplus}) EXPECT_TRUE(makes_coefficient(Role::kActivation, act, false));
  EXPECT_TRUE(makes_coefficient(Role::kDecay, Act::kIdentity, false));
  EXPECT_TRUE(makes_coefficient(Role::kHeadDot, Act::kIdentity, false));
  EXPECT_TRUE(makes_coefficient(Role::kLinear, Act::kIdentity, true));
  EXPECT_FALSE(makes_coefficient(Role::kLinear, Act::kIdentity, false));
}

}  // namespace
}  // namespace hindscan
