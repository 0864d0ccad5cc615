// The flags of hindscan explain and what they make of a request.
#pragma once
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "cli/explain_output.h"
#include "cli/feature_input.h"
#include "explain/report.h"

namespace hindscan::cli {

struct ExplainFlags {
  std::string methods, target_token, contrast = "auto", continuation, estimator = "exact", by, state_in;
  int64_t generate = 0;
  std::vector<std::string> outputs;
  std::vector<int64_t> targets;
  FeatureInput features;
  bool per_layer = false, edits_given = false;
  ExplainView view;
};

void add_flags(CLI::App& app, ExplainFlags& flags, ExplainRequest& request);
// The methods that are asked for, or usual. Error(kUsage) for a flag that would change nothing.
void set_methods(const CommandLine& line, const ExplainFlags& flags, ExplainRequest& request);
// The continuation that is explained, if any: at the end of the text, against all others.
void add_continuation(CommandLine& line, const Model& model, const ExplainFlags& flags, ExplainRequest& request);

}  // namespace hindscan::cli
