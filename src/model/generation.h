// What a publisher says of generating text: the tokens that end it, and how it is meant to be sampled.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/config.h"

namespace hindscan {

struct GenerationAdvice {
  std::vector<int32_t> end_ids;                          // each ends a text
  bool greedy = false;                                   // always the most likely token
  std::vector<std::pair<std::string, double>> sampling;  // "temperature", 0.6; empty: nothing is said
};

// generation_config.json, where there is one, wins over the model's configuration. Ids outside the vocabulary cannot
// be written and are left out with a remark.
GenerationAdvice read_generation(const Config& model, const std::optional<Config>& generation, int64_t vocab_size);

}  // namespace hindscan
