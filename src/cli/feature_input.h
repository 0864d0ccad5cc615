// Feature vectors instead of a prompt, for models that read them.
#pragma once
#include <string>
#include <vector>

#include "cli/command_line.h"

namespace hindscan::cli {

struct FeatureInput {
  std::string file;
  int64_t sequence = 0;
};

void add_feature_input(CLI::App& app, FeatureInput& input);
// The prompt's tokens, or the vectors of one sequence of the file; Error(kUsage) for what the model does not read.
void read_input(const Model& model, const CommandLine& line, const FeatureInput& input, TextPlace place,
                std::vector<int32_t>& tokens, std::vector<float>& features);

}  // namespace hindscan::cli
