#include "train/label_kinds.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <set>

#include "base/budget.h"
#include "base/counted.h"
#include "base/error.h"
#include "base/log.h"
#include "base/utf8.h"
#include "train/labelled.h"

namespace hindscan {

std::optional<double> number_of(std::string_view text) {
  double v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(v) ? std::optional(v) : std::nullopt;
}

static bool is_integer(std::string_view text) {
  int64_t v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  return error == std::errc() && end == text.data() + text.size();
}

bool are_fractional(const std::vector<std::string>& labels) {
  std::set<double> values;
  bool point = false, fraction = false;
  for (const std::string& label : labels) {
    const std::optional<double> v = number_of(label);
    if (!v) return false;
    values.insert(*v);
    point |= !is_integer(label);
    fraction |= *v != std::floor(*v);
  }
  const bool two = values.size() <= 2 && (!fraction || labels.size() >= 2 * values.size());
  return point && !two;
}

ClassifierOptions label_options(const LabelledRows& rows, bool regression, int64_t feature_dim) {
  ClassifierOptions o;
  o.feature_dim = feature_dim;
  o.regression = regression || rows.fractional;
  if (o.regression) {
    o.num_labels = rows.outputs;
    log_info("{}: the labels are numbers to predict (a regression)", rows.path);
    return o;
  }
  check(rows.outputs == 1, ErrorCode::kData,
        "[{}] expected one class a sequence, found {} numbers; ask for a regression", rows.path, rows.outputs);
  const std::set<std::string> distinct(rows.labels.begin(), rows.labels.end());
  o.label_names.assign(distinct.begin(), distinct.end());
  if (std::all_of(distinct.begin(), distinct.end(), [](const std::string& l) { return number_of(l).has_value(); })) {
    std::sort(o.label_names.begin(), o.label_names.end(),
              [](const auto& a, const auto& b) { return *number_of(a) < *number_of(b); });
  }
  for (const std::string& name : o.label_names) {
    check(valid_utf8(name), ErrorCode::kData, "[{}] expected labels in UTF-8, found other bytes; convert the file",
          rows.path);
  }
  o.num_labels = std::ssize(o.label_names);
  check(o.num_labels >= 2, ErrorCode::kData, "[{}] expected at least two different labels, found only \"{}\"",
        rows.path, o.label_names[0]);
  constexpr size_t kShown = 10;
  const auto shown = static_cast<std::ptrdiff_t>(std::min(kShown, o.label_names.size()));
  log_info("{}: {}: {}{}", rows.path, counted(o.num_labels, "class", "classes"),
           fmt::join(o.label_names.begin(), o.label_names.begin() + shown, ", "),
           o.label_names.size() > kShown ? ", ..." : "");
  constexpr auto kMostLabels = static_cast<int64_t>(limit::kLabels);
  check(o.num_labels <= kMostLabels, ErrorCode::kData,
        "[{}] expected at most {} different labels, found {}; is the label column right?", rows.path, kMostLabels,
        o.num_labels);
  return o;
}

}  // namespace hindscan
