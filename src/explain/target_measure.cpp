#include "explain/target_measure.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace hindscan {

#define HS_TARGET(id, ...)                   \
  double id##_value(const ReadLogits& read); \
  void id##_slope(const ReadLogits& read, std::span<double> out);
#include "explain/targets.def"
#undef HS_TARGET

namespace {

constexpr TargetMeasure kMeasures[] = {
#define HS_TARGET(id, name, noun, unit, whole, names) {name, noun, unit, whole, names, id##_value, id##_slope},
#include "explain/targets.def"
#undef HS_TARGET
};

// log sum exp over n logits.
template <class At>
double log_sum(size_t n, At&& at) {
  double top = at(0), sum = 0;
  for (size_t i = 1; i < n; ++i) top = std::max(top, at(i));
  for (size_t i = 0; i < n; ++i) sum += std::exp(at(i) - top);
  return top + std::log(sum);
}

}  // namespace

std::span<const TargetMeasure> target_measures() { return kMeasures; }

const TargetMeasure& target_measure(std::string_view name) {
  std::vector<std::string_view> known;
  for (const TargetMeasure& m : kMeasures) {
    if (name == m.name) return m;
    known.emplace_back(m.name);
  }
  fail(ErrorCode::kUsage, "[measure] expected one of {}, found '{}'", fmt::join(known, ", "), name);
}

double group_logit(const ReadLogits& read, std::span<const size_t> group) {
  if (group.empty()) return 0;
  if (group.size() == 1) return read.logits[group[0]];
  return log_sum(group.size(), [&](size_t i) { return read.logits[group[i]]; });
}

double all_logits_as_one(const ReadLogits& read) {
  return log_sum(read.logits.size(), [&](size_t i) { return read.logits[i]; });
}

void add_group_slope(const ReadLogits& read, std::span<const size_t> group, double factor, std::span<double> out) {
  const double all = group_logit(read, group);
  for (const size_t i : group) out[i] += factor * (group.size() == 1 ? 1 : std::exp(read.logits[i] - all));
}

void add_slope_of_all(const ReadLogits& read, double factor, std::span<double> out) {
  const double all = all_logits_as_one(read);
  for (size_t i = 0; i < out.size(); ++i) out[i] += factor * std::exp(read.logits[i] - all);
}

}  // namespace hindscan
