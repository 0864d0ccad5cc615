// What is explained, and against what, as people name it.
#pragma once
#include <string>

#include "explain/report.h"

namespace hindscan {

// Texts of single tokens (of a classifier: numbers of its classes; of a model without a tokenizer: ids), or of several
// with "|" between them, which count as one answer; "\\|" is the sign itself, as is a text with it that is one token.
struct TargetText {
  std::string target;                                               // empty: the most likely
  std::string contrast;                                             // "auto": the runner-up; "none"; or a text
  const char *target_flag = "target", *contrast_flag = "contrast";  // what messages call them
};

// Error(kUsage) for a text that is not one token, or several so written.
void set_target(const Model& model, const TargetText& text, ExplainRequest& request);

}  // namespace hindscan
