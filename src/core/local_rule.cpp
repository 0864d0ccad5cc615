#include "core/local_rule.h"

#include "base/error.h"

namespace hindscan {

std::string LocalRule::slot(const std::string& name) const {
  return path == MixerPath::kAll ? name : name + "#" + mixer_path_name(path);
}

LocalRule resolve(const AdjointRules& rules, Role role, bool second_is_signal) {
  const RoleRule& rule = rules.of(role);
  const auto on = [&](MixerPath p) { return rules.path == MixerPath::kAll || rules.path == p; };
  check(!rules.weights || rule.kind == Rule::kExact || rule.kind == Rule::kFrozen, ErrorCode::kUsage,
        "[rules] expected exact or frozen rules where weight gradients are wanted, found another for the role {}; take "
        "training_rules()",
        role_name(role));
  LocalRule out;
  out.coefficient = rule.kind == Rule::kExact;
  out.relevance = rule.kind == Rule::kIdentity || rule.kind == Rule::kEpsilon || rule.kind == Rule::kGamma;
  out.epsilon = rule.epsilon;
  out.gamma = rule.gamma;
  out.weights = rules.weights;
  out.path = rules.path;
  out.pass = &rules;
  // Two signals that multiply meet behind the core; modulate and mix act before it and have coefficients only.
  if (role == Role::kGate) {
    const bool both = rule.kind == Rule::kHalf && second_is_signal;
    if (both) out.share = 0.5;
    out.signal = rules.path != MixerPath::kGate;
    out.coefficient = (out.coefficient || both) && on(MixerPath::kGate);
  }
  // Values times weights, and the weights of queries times keys.
  if (role == Role::kAttention && rule.kind == Rule::kHalf) {
    out.share = 0.5;
    out.coefficient = true;
  }
  // Every path of a mixer crosses what lies outside its core: what goes around it must be counted with one of them.
  if (role == Role::kBeside) out.signal = on(MixerPath::kValue);
  if (role == Role::kGlr || role == Role::kAttention || role == Role::kNonlinear || role == Role::kSkip) {
    const bool there = role != Role::kSkip || rules.skip;
    out.value = there && on(MixerPath::kValue);
    out.write = there && out.coefficient && on(MixerPath::kWrite);
    out.decay = role != Role::kSkip && out.coefficient && on(MixerPath::kDecay);
    out.read = there && out.coefficient && on(MixerPath::kRead);
  }
  return out;
}

bool makes_coefficient(Role role, kernels::Act act, bool of_coefficients) {
  using kernels::Act;
  if (role == Role::kDecay || role == Role::kHeadDot) return true;
  return of_coefficients || (role == Role::kActivation && (act == Act::kSigmoid || act == Act::kSoftplus));
}

}  // namespace hindscan
