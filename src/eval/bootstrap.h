// 95 % intervals of figures over independent groups, by drawing the groups again.
#pragma once
#include <optional>
#include <span>

#include "base/function_ref.h"
#include "base/interval.h"

namespace hindscan {

inline constexpr size_t kFewestGroups = 5;

// figure: of groups drawn with replacement, by their numbers. The same for the same figures. Null for fewer than
// kFewestGroups, or where too many draws have no figure.
std::optional<Interval> bootstrap_interval(size_t groups, size_t resamples,
                                           FunctionRef<std::optional<double>(std::span<const size_t> drawn)> figure);
// Of groups of several sorts, each drawn in place of one of its own sort. Null also where a sort has fewer.
std::optional<Interval> bootstrap_interval(std::span<const size_t> sorts, size_t resamples,
                                           FunctionRef<std::optional<double>(std::span<const size_t> drawn)> figure);

}  // namespace hindscan
