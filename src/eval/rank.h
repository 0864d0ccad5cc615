// Rank statistics on small vectors.
#pragma once
#include <optional>
#include <span>
#include <vector>

namespace hindscan {

std::vector<double> ranks(std::span<const double> values);  // 1-based, ties averaged
// Rank correlation, ties averaged; null when either side is constant or there are fewer than 2.
std::optional<double> spearman(std::span<const double> a, std::span<const double> b);
// Share of the items with measured != 0 whose sign is predicted; null without such items.
std::optional<double> sign_agreement(std::span<const double> predicted, std::span<const double> measured);
// Probability that a positive item scores above a negative one (ties count half); null when one kind is missing.
std::optional<double> auc(std::span<const double> scores, std::span<const char> positive);
// Mean over the positive items of precision at their rank; tied items are in the worst order.
std::optional<double> average_precision(std::span<const double> scores, std::span<const char> positive);

}  // namespace hindscan
