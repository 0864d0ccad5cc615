// Shared by the ops: which rules hold coefficients fixed, and the slots of adjoints that are kept apart per mixer path.
#pragma once
#include <string>

#include "core/rules.h"

namespace hindscan {

// Coefficients are constants under these rules: nothing flows back into what computed them.
inline bool coefficients_held(const AdjointRules& rules) {
  return rules.gate == AdjointRules::Gate::kFreeze || rules.recurrence == AdjointRules::Recurrence::kValuePath;
}

// Name of the adjoint of a linear op's carried rows: paths add up behind it, so each keeps its own.
inline std::string path_slot(const std::string& name, MixerPath path) {
  return path == MixerPath::kAll ? name : name + "#" + mixer_path_name(path);
}

}  // namespace hindscan
