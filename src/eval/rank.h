// Rank statistics on small vectors. Where a number is NaN there is none: null.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "base/interval.h"
#include "base/ranks.h"

namespace hindscan {

// Rank correlation of a and b among items of equal `given`; null also where `given` tells one of them wholly.
std::optional<double> partial_spearman(std::span<const double> a, std::span<const double> b,
                                       std::span<const double> given);
// 95 % of the bootstrap over groups of items (edits of one token go together); the same for the same numbers. Null
// where there is no correlation, fewer than 5 groups, or too many resamples without one.
std::optional<Interval> spearman_interval(std::span<const double> a, std::span<const double> b,
                                          std::span<const int64_t> groups);
// Share of the items with measured != 0 whose sign is predicted; null without such items.
std::optional<double> sign_agreement(std::span<const double> predicted, std::span<const double> measured);
std::optional<Interval> sign_interval(std::span<const double> predicted, std::span<const double> measured);
// Probability that a positive item scores above a negative one (ties count half); null when one kind is missing.
std::optional<double> auc(std::span<const double> scores, std::span<const char> positive);
// Mean over the positive items of precision at their rank; tied items are in the worst order.
std::optional<double> average_precision(std::span<const double> scores, std::span<const char> positive);

}  // namespace hindscan
