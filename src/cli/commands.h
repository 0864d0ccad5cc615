// The subcommands. Each takes the arguments after its name and returns the exit code; failures are thrown.
#pragma once
#include <string>
#include <vector>

namespace hindscan::cli {

using Arguments = std::vector<std::string>;

int run_command(Arguments arguments);
int score_command(Arguments arguments);
int explain_command(Arguments arguments);
int effects_command(Arguments arguments);
int matrix_command(Arguments arguments);
int logits_command(Arguments arguments);
int train_command(Arguments arguments);
int classify_command(Arguments arguments);
int eval_command(Arguments arguments);
int eval_causal_command(Arguments arguments);
int info_command(Arguments arguments);

}  // namespace hindscan::cli
