// Dispatch to a subcommand, and the one place where failures become messages and exit codes.
#pragma once
#include <string>
#include <vector>

namespace hindscan::cli {

int run_program(std::vector<std::string> arguments);  // without the program's name

}  // namespace hindscan::cli
