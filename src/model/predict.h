// Whole sequences through a classifier or regressor.
#pragma once
#include <span>
#include <vector>

#include "model/model.h"

namespace hindscan {

// Scores [sequences, labels] (numbers of a regression). Error(kUsage) for an empty sequence, kData for a language
// model.
std::vector<float> predict(const Model& model, const Input& input);
std::vector<double> probabilities(std::span<const float> scores);  // softmax

}  // namespace hindscan
