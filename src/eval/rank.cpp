#include "eval/rank.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hindscan {

static std::vector<size_t> order_of(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  return order;
}

std::vector<double> ranks(std::span<const double> values) {
  const std::vector<size_t> order = order_of(values);
  std::vector<double> out(values.size());
  for (size_t i = 0; i < order.size();) {
    size_t j = i;
    while (j < order.size() && values[order[j]] == values[order[i]]) ++j;
    for (size_t k = i; k < j; ++k) out[order[k]] = 0.5 * static_cast<double>(i + 1 + j);  // mean of ranks i+1 .. j
    i = j;
  }
  return out;
}

std::optional<double> spearman(std::span<const double> a, std::span<const double> b) {
  if (a.size() < 2 || a.size() != b.size()) return std::nullopt;
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

std::optional<double> sign_agreement(std::span<const double> predicted, std::span<const double> measured) {
  int64_t counted = 0, agree = 0;
  for (size_t i = 0; i < measured.size(); ++i) {
    if (measured[i] == 0) continue;
    ++counted;
    if (predicted[i] != 0 && (predicted[i] > 0) == (measured[i] > 0)) ++agree;
  }
  if (counted == 0) return std::nullopt;
  return static_cast<double>(agree) / static_cast<double>(counted);
}

std::optional<double> auc(std::span<const double> scores, std::span<const char> positive) {
  const std::vector<double> r = ranks(scores);
  double sum = 0, n = 0;
  for (size_t i = 0; i < r.size(); ++i) {
    if (positive[i] == 0) continue;
    sum += r[i];
    ++n;
  }
  const double others = static_cast<double>(r.size()) - n;
  if (n == 0 || others == 0) return std::nullopt;
  return (sum - n * (n + 1) / 2) / (n * others);  // Mann-Whitney
}

std::optional<double> average_precision(std::span<const double> scores, std::span<const char> positive) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : positive[a] < positive[b];
  });
  double found = 0, sum = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    if (positive[order[i]] == 0) continue;
    ++found;
    sum += found / static_cast<double>(i + 1);
  }
  if (found == 0) return std::nullopt;
  return sum / found;
}

}  // namespace hindscan
