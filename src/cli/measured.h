// Measured numbers with their 95 % intervals, in words.
#pragma once
#include <optional>
#include <string>

#include "base/interval.h"
#include "train/labelled.h"

namespace hindscan::cli {

std::string interval_text(const std::optional<Interval>& v, int digits);  // " [low, high]" or nothing
std::string percent_text(const std::optional<Interval>& share, int digits);
std::string describe(const LabelledScore& score);

}  // namespace hindscan::cli
