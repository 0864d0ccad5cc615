// What config.json says of a classifier or regressor of whole sequences: "pooling", "num_labels" and the rest.
#pragma once
#include <string>
#include <vector>

#include "core/config.h"

namespace hindscan {

struct ClassifierOptions {
  std::string pooling = "mean";  // mean, last, first, max: of the family's outputs over the tokens
  int64_t num_labels = 0;        // scores, or numbers of a regression
  bool regression = false;
  std::vector<std::string> label_names;  // empty, or one a label
  int64_t feature_dim = 0;               // > 0: tokens are vectors, not ids of a vocabulary
  bool feature_bias = true;
  bool score_bias = true;
};

bool is_classifier(const Config& config);
ClassifierOptions classifier_options(const Config& config);               // Error(kData)
Config classifier_config(Config base, const ClassifierOptions& options);  // the family's config with these options

}  // namespace hindscan
