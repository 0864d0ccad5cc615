// What tokens say, for reports.
#pragma once
#include <span>

#include "explain/report.h"

namespace hindscan {

// A model without a tokenizer gives ids and empty texts.
TokenReport token_report(const Model& model, int32_t id);
// Fills the report's model name, tokens and target texts.
void describe_tokens(const Model& model, std::span<const int32_t> tokens, ExplainReport& report);

}  // namespace hindscan
