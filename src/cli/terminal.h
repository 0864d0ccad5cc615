// What standard output can show, from the flags, the environment and the terminal.
#pragma once
#include <functional>
#include <string>

#include "cli/color.h"

namespace hindscan::cli {

using Environment = std::function<const char*(const char*)>;  // std::getenv in the program

// Precedence: --color, then NO_COLOR, then CLICOLOR_FORCE, then whether it is a terminal.
ColorDepth choose_color(const std::string& flag, bool is_terminal, const Environment& env);
bool dark_background(const Environment& env);  // from COLORFGBG; dark when unknown
int terminal_columns(int fd);                  // its width, or $COLUMNS, or 80; at least 20

}  // namespace hindscan::cli
