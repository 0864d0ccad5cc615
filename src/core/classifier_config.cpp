#include "core/classifier_config.h"

namespace hindscan {

static constexpr int64_t kMaxDim = int64_t{1} << 24;

bool is_classifier(const Config& c) { return c.has("num_labels") && c.has("pooling"); }

ClassifierOptions classifier_options(const Config& c) {
  ClassifierOptions o;
  o.pooling = c.text("pooling", o.pooling);
  o.num_labels = c.integer("num_labels", 1, kMaxDim);
  const std::string problem = c.text("problem_type", "single_label_classification");
  check(problem == "regression" || problem == "single_label_classification", ErrorCode::kData,
        "[{}] expected \"problem_type\" regression or single_label_classification, found \"{}\"", c.label(), problem);
  o.regression = problem == "regression";
  o.feature_dim = c.integer("feature_dim", 0, kMaxDim, 0);
  o.feature_bias = c.flag("feature_bias", true);
  o.score_bias = c.flag("score_bias", true);
  for (int64_t i = 0; i < o.num_labels && c.has(fmt::format("id2label.{}", i)); ++i) {
    o.label_names.push_back(c.text(fmt::format("id2label.{}", i), ""));
  }
  check(o.label_names.empty() || std::ssize(o.label_names) == o.num_labels, ErrorCode::kData,
        "[{}] expected \"id2label\" to name {} labels, found {}", c.label(), o.num_labels, o.label_names.size());
  return o;
}

Config classifier_config(Config base, const ClassifierOptions& o) {
  base.set("pooling", o.pooling);
  base.set("num_labels", o.num_labels);
  base.set("problem_type", std::string(o.regression ? "regression" : "single_label_classification"));
  base.set("score_bias", o.score_bias);
  for (size_t i = 0; i < o.label_names.size(); ++i) base.set(fmt::format("id2label.{}", i), o.label_names[i]);
  if (o.feature_dim > 0) {
    base.set("vocab_size", int64_t{1});
    base.set("feature_dim", o.feature_dim);
    base.set("feature_bias", o.feature_bias);
  }
  return base;
}

}  // namespace hindscan
