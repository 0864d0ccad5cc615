#include "eval/rank.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/order.h"
#include "eval/bootstrap.h"

namespace hindscan {

namespace {

std::vector<std::vector<size_t>> members_of(std::span<const int64_t> groups) {
  std::map<int64_t, std::vector<size_t>> by_group;
  for (size_t i = 0; i < groups.size(); ++i) by_group[groups[i]].push_back(i);
  std::vector<std::vector<size_t>> out;
  out.reserve(by_group.size());
  for (auto& [group, items] : by_group) out.push_back(std::move(items));
  return out;
}

constexpr double kNothingLeft = 1e-12;  // of the ranks, once those of `given` are taken out

struct Signs {
  int64_t counted = 0, agree = 0;
};

std::optional<Signs> count_signs(std::span<const double> predicted, std::span<const double> measured) {
  if (has_nan(predicted) || has_nan(measured)) return std::nullopt;
  Signs out;
  for (size_t i = 0; i < measured.size(); ++i) {
    if (measured[i] == 0) continue;
    ++out.counted;
    if (predicted[i] != 0 && (predicted[i] > 0) == (measured[i] > 0)) ++out.agree;
  }
  return out.counted == 0 ? std::nullopt : std::optional(out);
}

}  // namespace

std::optional<Interval> spearman_interval(std::span<const double> a, std::span<const double> b,
                                          std::span<const int64_t> groups) {
  const std::vector<std::vector<size_t>> members = members_of(groups);
  if (!spearman(a, b)) return std::nullopt;
  const size_t resamples = std::clamp<size_t>(2000000 / a.size(), 200, 2000);
  return bootstrap_interval(members.size(), resamples, [&](std::span<const size_t> drawn) {
    std::vector<double> x, y;
    for (const size_t g : drawn) {
      for (const size_t i : members[g]) {
        x.push_back(a[i]);
        y.push_back(b[i]);
      }
    }
    return spearman(x, y);
  });
}

std::optional<double> partial_spearman(std::span<const double> a, std::span<const double> b,
                                       std::span<const double> given) {
  const std::optional<double> ab = spearman(a, b), ag = spearman(a, given), bg = spearman(b, given);
  if (!ab || !ag || !bg) return std::nullopt;
  const double left = (1 - *ag * *ag) * (1 - *bg * *bg);
  if (left <= kNothingLeft) return std::nullopt;
  return (*ab - *ag * *bg) / std::sqrt(left);
}

std::optional<double> sign_agreement(std::span<const double> predicted, std::span<const double> measured) {
  const std::optional<Signs> signs = count_signs(predicted, measured);
  if (!signs) return std::nullopt;
  return static_cast<double>(signs->agree) / static_cast<double>(signs->counted);
}

std::optional<Interval> sign_interval(std::span<const double> predicted, std::span<const double> measured) {
  const std::optional<Signs> signs = count_signs(predicted, measured);
  return signs ? share_interval(signs->agree, signs->counted) : std::nullopt;
}

std::optional<double> auc(std::span<const double> scores, std::span<const char> positive) {
  if (has_nan(scores)) return std::nullopt;
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
  if (has_nan(scores)) return std::nullopt;
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
