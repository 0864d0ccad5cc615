// What tokens say, for reports.
#pragma once
#include "explain/report.h"

namespace hindscan {

// A model without a tokenizer gives ids and empty texts.
TokenReport token_report(const Model& model, int32_t id);
Json token_json(const TokenReport& token);  // {"id", "text", "bytes"?}: bytes, in hex, only where they are not UTF-8
// Fills the report's model name, tokens and target texts.
void describe_target(const Model& model, TargetReport& target);  // its texts
void describe_tokens(const Model& model, const ExplainRequest& request, ExplainReport& report);

}  // namespace hindscan
