// A linear model of what versions of a text do, fitted to half of them: what additive scores could say of the others.
#pragma once
#include <optional>

#include "eval/many_tokens.h"

namespace hindscan {

// Ridge regression of the changes on which tokens were replaced, by the first half of the masks: rank correlation with
// what the others did. The penalty is the mean square of a column. Null for fewer than four masks.
std::optional<double> ridge_surrogate(const MaskTrial& trial, std::span<const Edit> single, int64_t tokens);

}  // namespace hindscan
