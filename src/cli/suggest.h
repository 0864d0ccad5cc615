// "Did you mean": the known word closest to a mistyped one.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hindscan::cli {

// Nothing when no word is close enough to be meant.
std::optional<std::string> closest(std::string_view word, const std::vector<std::string>& known);

}  // namespace hindscan::cli
