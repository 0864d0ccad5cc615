// What a text goes on with, as the target of an explanation.
#pragma once
#include <cstdint>
#include <string_view>

#include "explain/report.h"

namespace hindscan {

// Puts the tokens of a continuation behind those of the request: the logarithm of its probability is what is explained.
// Error(kUsage) for a text without any token.
void set_continuation(const Model& model, std::string_view text, ExplainRequest& request);
// The same of what the model itself goes on with, the most likely token each time: so many, or up to the end of the
// text. Reads the text once.
void set_own_continuation(const Model& model, int64_t tokens, ExplainRequest& request);

}  // namespace hindscan
