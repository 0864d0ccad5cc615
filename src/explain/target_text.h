// What is explained, and against what, as people name it.
#pragma once
#include <string>

#include "explain/report.h"

namespace hindscan {

// Texts of single tokens (of a classifier: numbers of its classes; of a model without a tokenizer: ids).
struct TargetText {
  std::string target;                                               // empty: the most likely
  std::string contrast;                                             // "auto": the runner-up; "none"; or a text
  const char *target_flag = "target", *contrast_flag = "contrast";  // what messages call them
};

// Error(kUsage) for a text that is not one token.
void set_target(const Model& model, const TargetText& text, ExplainRequest& request);

}  // namespace hindscan
