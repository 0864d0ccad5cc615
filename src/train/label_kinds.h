// What labels are: names of classes, or numbers to predict.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hindscan {

std::optional<double> number_of(std::string_view text);  // where all of it is one, and finite
// Numbers to predict rather than names: written with a point, unless there are but two of them.
bool are_fractional(const std::vector<std::string>& labels);

}  // namespace hindscan
