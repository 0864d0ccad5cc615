// What the methods of the papers on hidden attention share: from which layer on they count, and what their forms say.
#pragma once
#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "base/counted.h"
#include "base/error.h"
#include "explain/method.h"
#include "explain/reverse_method.h"

namespace hindscan {

// start=N, or where it is -1, all layers (the equations), or from the 15th of 24 and as far up in other models (the
// released code). Error(kUsage) above the last layer.
inline int64_t first_layer(const MethodSpec& spec, int64_t layers, bool all = false) {
  const int64_t start = spec.number("start");
  check(start < layers, ErrorCode::kUsage,
        "[explain] expected one of the {} layers that mix tokens to start with, 0..{}, found {}; -1 leaves it to the "
        "method",
        layers, layers - 1, start);
  if (start >= 0) return start;
  return all ? 0 : std::min(layers - 1, static_cast<int64_t>(std::lround(0.625 * static_cast<double>(layers))));
}

// What people should know of a method of this name.
inline std::string start_words(const char* method, int64_t start, int64_t layers) {
  return fmt::format("{}: {} to {} of the {} that mix tokens (from 0)", method, start, layers - 1, layers);
}

// Error(kUsage) where an option was given beside one that settles what it says.
inline void refuse_beside(const MethodSpec& spec, const char* settled, std::initializer_list<const char*> options) {
  for (const char* option : options)
    check(spec.takes(option), ErrorCode::kUsage,
          "[explain] expected {} with {} alone, found {} too; leave one of them out", spec.name, settled, option);
}

// Error(kUsage) where there is nothing around a core.
template <class R>
void check_folds(const Views<R>& views, bool unified) {
  const bool all = std::all_of(views.begin(), views.end(), [](const auto& v) { return v->folds(); });
  check(
      all || !unified, ErrorCode::kUsage,
      "[explain] expected map=core for a model with recurrences that read their own output, found unified: what stands "
      "around these is no part of a map");
}

// Error(kUsage) for mixers side by side, of which no row has a sum of its own.
template <class R>
void check_one_a_stage(const Views<R>& views) {
  for (size_t l = 1; l < views.size(); ++l)
    check(views[l]->stage != views[l - 1]->stage, ErrorCode::kUsage,
          "[explain] expected one mixer a layer for whole maps with rows=normalised, found several side by side; use "
          "rows=plain or mixing=rank-1");
}

inline std::string divided_words(const char* method, double smallest) {
  return fmt::format(
      "{}: divided by their sums and 1 for the token itself, at least {:.3g} in size; where that is near "
      "zero the scores mean little",
      method, smallest);
}

inline std::string own_step_words(const char* method) {
  return fmt::format(
      "{}: the last token's own decay and write are left out, as they are in the authors' program: its rows "
      "are larger than those of row",
      method);
}

// Of the first n numbers: the smallest becomes 0, the largest 1; of equal ones all 0. A NaN stays one, in all of them.
inline void scale_to_one(std::vector<double>& v, int64_t n) {
  double low = v[0], high = v[0];
  for (int64_t t = 1; t < n; ++t) {
    const double x = v[static_cast<size_t>(t)];
    low = x < low || std::isnan(x) ? x : low;
    high = x > high || std::isnan(x) ? x : high;
    if (std::isnan(x)) break;
  }
  const double range = high - low;
  for (int64_t t = 0; t < n; ++t)
    v[static_cast<size_t>(t)] = range == 0 ? 0 : (v[static_cast<size_t>(t)] - low) / range;
}

}  // namespace hindscan
