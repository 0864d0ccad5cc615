#include "core/rules.h"

#include <iterator>
#include <string>

#include "base/error.h"

namespace hindscan {

const char* role_name(Role role) {
  constexpr const char* names[] = {"embedding",  "linear",   "norm",   "convolution", "activation", "decay",
                                   "recurrence", "skip",     "gate",   "sum",         "split",      "selection",
                                   "array",      "scale",    "concat", "modulation",  "token mix",  "rotation",
                                   "soft cap",   "head dot", "heads",  "attention",   "recurrence", "expert route",
                                   "order",      "bypass",   "pool"};
  static_assert(std::size(names) == kRoles);
  return names[static_cast<size_t>(role)];
}

void refuse_rule(Role role, const RoleRule& rule) {
  constexpr const char* names[] = {"exact", "frozen", "half", "identity", "epsilon", "gamma"};
  static_assert(std::size(names) == static_cast<size_t>(Rule::kGamma) + 1);
  std::string known;
  for (size_t i = 0; i < std::size(names); ++i) {
    if (role_knows(role, static_cast<Rule>(i))) known += (known.empty() ? "" : ", ") + std::string(names[i]);
  }
  const char* asked = names[static_cast<size_t>(rule.kind)];
  check(!role_knows(role, rule.kind), ErrorCode::kUsage,
        "[rules] expected an epsilon of 1e-30 to 1e30 for identity, epsilon and gamma, a gamma of that size for gamma, "
        "and 0 elsewhere, found {} with epsilon {} and gamma {} for the role {}; give the rule its own numbers only",
        asked, rule.epsilon, rule.gamma, role_name(role));
  fail(ErrorCode::kUsage, "[rules] expected one of {} for the role {}, found {}; give the role one of them", known,
       role_name(role), asked);
}

}  // namespace hindscan
