// What the adjoint of a pass does, said per role of an op and never per model: a table from role to rule, and what
// concerns the whole pass. A named set of rules is a method of explaining. core/local_rule.h resolves them for an op.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace hindscan {

// What an op is to the model (ARCHITECTURE.md lists the ops of each).
enum class Role : uint8_t {
  kEmbedding,
  kLinear,
  kNorm,
  kConv,
  kActivation,
  kDecay,
  kGlr,
  kSkip,
  kGate,
  kAdd,
  kSplit,
  kSelect,
  kTap,
  kScale,
  kConcat,
  kModulate,
  kTokenMix,
  kRotate,
  kSoftCap,
  kHeadDot,
  kHeadBroadcast,
  kAttention,
  kNonlinear,
  kRoute,
  kOrder,
  kBeside,
  kPool
};
inline constexpr size_t kRoles = static_cast<size_t>(Role::kPool) + 1;
const char* role_name(Role role);

// R = x * adjoint, element by element, is the relevance of x. Of a linear op: z_ij = x_i w_ij is what input i adds to
// output j, the bias being an input of 1; p(z) is z where it has the sign of y_j; an output of 0 has nothing to share.
enum class Rule : uint8_t {
  kExact,     // the derivative; of a linear op the transpose
  kFrozen,    // coefficients keep the value they took: gate, slope y / x, 1/std, step, weights of attention, route
  kHalf,      // two signals that multiply get half of the adjoint each: a gate and what it gates (a coefficient is
              // frozen); values and weights of attention, the weights' half again halved between query and key
  kIdentity,  // every element keeps its relevance: adjoint_x = adjoint_y y / (x + eps sign x)
  kEpsilon,   // R_i = sum_j R_j z_ij / (y_j + eps sign y_j)
  kGamma      // R_i = sum_j R_j (z_ij + gamma p(z_ij)) / (y_j + gamma sum_i p(z_ij) + eps sign y_j)
};

struct RoleRule {
  Rule kind = Rule::kExact;
  double epsilon = 0;  // of kIdentity, kEpsilon and kGamma
  double gamma = 0;    // of kGamma
};

// Ops with neither coefficients nor weights on their signal know the transpose alone.
constexpr bool role_knows(Role role, Rule rule) {
  if (rule == Rule::kExact) return true;
  switch (role) {
    case Role::kLinear:
    case Role::kConv:
      return rule == Rule::kEpsilon || rule == Rule::kGamma;
    case Role::kNorm:
    case Role::kActivation:
    case Role::kSoftCap:
      return rule == Rule::kFrozen || rule == Rule::kIdentity;
    case Role::kGate:
    case Role::kAttention:
      return rule == Rule::kFrozen || rule == Rule::kHalf;
    case Role::kDecay:
    case Role::kGlr:
    case Role::kSkip:
    case Role::kModulate:
    case Role::kTokenMix:
    case Role::kRotate:
    case Role::kHeadDot:
    case Role::kNonlinear:
    case Role::kRoute:
      return rule == Rule::kFrozen;
    default:
      return false;
  }
}

// Bounds that a float keeps apart from 0 and from infinity.
constexpr bool parameters_fit(const RoleRule& rule) {
  const auto positive = [](double x) { return x >= 1e-30 && x <= 1e30; };
  switch (rule.kind) {
    case Rule::kIdentity:
    case Rule::kEpsilon:
      return positive(rule.epsilon) && rule.gamma == 0;
    case Rule::kGamma:
      return (rule.epsilon == 0 || positive(rule.epsilon)) && positive(rule.gamma);
    default:
      return rule.epsilon == 0 && rule.gamma == 0;
  }
}

// Which input of a token mixer carries the adjoint. kAll is the ordinary backward pass; the five others split the
// exact adjoint of a mixer into parts that add up to it.
enum class MixerPath : uint8_t { kAll, kValue, kWrite, kDecay, kRead, kGate };
inline constexpr int kMixerPaths = 5;  // kValue .. kGate
constexpr const char* mixer_path_name(MixerPath p) {
  constexpr const char* names[] = {"all", "value", "write", "decay", "read", "gate"};
  return names[static_cast<int>(p)];
}

[[noreturn]] void refuse_rule(Role role, const RoleRule& rule);

class AdjointRules {
 public:
  MixerPath path = MixerPath::kAll;
  bool skip = true;      // the D x path carries the adjoint
  bool weights = false;  // accumulate weight gradients (training): exact and frozen rules only

  // Error(kUsage) for a rule that the role does not know, or a parameter that the rule does not have.
  constexpr AdjointRules& set(Role role, const RoleRule& rule) {
    if (!role_knows(role, rule.kind) || !parameters_fit(rule)) refuse_rule(role, rule);
    table_[static_cast<size_t>(role)] = rule;
    return *this;
  }
  constexpr const RoleRule& of(Role role) const { return table_[static_cast<size_t>(role)]; }

 private:
  std::array<RoleRule, kRoles> table_{};
};

constexpr AdjointRules exact_rules() { return {}; }
constexpr AdjointRules training_rules() {
  AdjointRules r;
  r.weights = true;
  return r;
}
// The whole-model linear operator: every data-dependent coefficient at the value it took.
constexpr AdjointRules frozen_rules() {
  AdjointRules r;
  for (size_t i = 0; i < kRoles; ++i) {
    if (role_knows(static_cast<Role>(i), Rule::kFrozen)) r.set(static_cast<Role>(i), {Rule::kFrozen});
  }
  return r;
}
// Frozen, but a gate that is a signal itself (SiLU, GELU, a plain product) gets half of the relevance (MambaLRP,
// arXiv 2406.07592; AttnLRP, 2402.05602).
constexpr AdjointRules half_rules() { return frozen_rules().set(Role::kGate, {Rule::kHalf}); }
// The same, and attention's weights carry relevance to query and key through the softmax's derivative (AttnLRP), which
// does not keep all of it.
constexpr AdjointRules half_attnlrp_rules() { return half_rules().set(Role::kAttention, {Rule::kHalf}); }

}  // namespace hindscan
