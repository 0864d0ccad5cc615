// Which of the methods that nobody named are computed of a text.
#pragma once
#include <optional>

#include "explain/report.h"

namespace hindscan {

// The request without those of its usual methods (MethodSpec::if_possible) that the text cannot be asked for, and why
// in left_out; with first_only, the first of the usual ones alone where it can be asked. Nothing where nothing changes.
std::optional<ExplainRequest> with_possible_methods(const Model& model, const ExplainRequest& request);

}  // namespace hindscan
