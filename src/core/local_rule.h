// What the adjoint of one op may do, in the op's own words: the rules of the pass for its role. This is the only place
// that reads the rules; ops read what it says.
#pragma once
#include <string>

#include "core/rules.h"
#include "kernels/pointwise.h"

namespace hindscan {

struct LocalRule {
  bool signal = true;       // what the op is linear in carries the adjoint
  bool coefficient = true;  // so does what acts on it; else gate, step, slope y / x, 1/std, weights are constants
  double share = 1;         // of the adjoint for each of two signals that multiply
  bool relevance = false;   // the relevance is handed on instead of the adjoint (core/ops/relevance.h)
  double epsilon = 0, gamma = 0;
  bool value = true, write = true, decay = true, read = true;  // inputs of a recurrence, of attention, of a skip
  bool weights = false;                                        // weight gradients are added up
  MixerPath path = MixerPath::kAll;                            // for slot() alone
  const AdjointRules* pass = nullptr;                          // for a block, which runs nodes of its own

  bool any_coefficient() const { return write || decay || read; }
  bool any_input() const { return value || any_coefficient(); }
  // The slot for the adjoint of carried rows: paths add up behind the op, so each keeps its own.
  std::string slot(const std::string& name) const;
};

// second_is_signal: the op's second input is no coefficient.
LocalRule resolve(const AdjointRules& rules, Role role, bool second_is_signal);

// Whether what an op makes is a coefficient, not a signal: steps and decays, an activation that does not vanish with
// its input (sigmoid, softplus), and what is made of coefficients alone.
bool makes_coefficient(Role role, kernels::Act act, bool of_coefficients);

}  // namespace hindscan
