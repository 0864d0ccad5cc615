// Ranks of small vectors and their correlation. Where a number is NaN there is none: null.
#pragma once
#include <optional>
#include <span>
#include <vector>

namespace hindscan {

bool has_nan(std::span<const double> values);
std::vector<double> ranks(std::span<const double> values);  // 1-based, ties averaged; NaN last
// Rank correlation, ties averaged; null when either side is constant or there are fewer than 2.
std::optional<double> spearman(std::span<const double> a, std::span<const double> b);

}  // namespace hindscan
