#include "base/ranks.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/order.h"

namespace hindscan {

bool has_nan(std::span<const double> values) {
  return std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); });
}

static std::vector<size_t> order_of(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ascending(values[a], values[b]); });
  return order;
}

std::vector<double> ranks(std::span<const double> values) {
  const std::vector<size_t> order = order_of(values);
  std::vector<double> out(values.size());
  for (size_t i = 0; i < order.size();) {
    size_t j = i + 1;  // an item ties with itself, NaN as well
    while (j < order.size() && values[order[j]] == values[order[i]]) ++j;
    for (size_t k = i; k < j; ++k) out[order[k]] = 0.5 * static_cast<double>(i + 1 + j);  // mean of ranks i+1 .. j
    i = j;
  }
  return out;
}

std::optional<double> spearman(std::span<const double> a, std::span<const double> b) {
  if (a.size() < 2 || a.size() != b.size() || has_nan(a) || has_nan(b)) return std::nullopt;
  const std::vector<double> x = ranks(a), y = ranks(b);
  const double mean = 0.5 * static_cast<double>(a.size() + 1);
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean) * (y[i] - mean);
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
  }
  if (xx == 0 || yy == 0) return std::nullopt;
  return xy / std::sqrt(xx * yy);
}

}  // namespace hindscan
