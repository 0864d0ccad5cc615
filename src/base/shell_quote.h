// Paths and texts in commands that a person may copy into a shell.
#pragma once
#include <string>
#include <string_view>

namespace hindscan {

std::string shell_quote(std::string_view word);  // as it is, or in single quotes

}  // namespace hindscan
