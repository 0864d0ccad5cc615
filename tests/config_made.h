// A model made of a configuration alone, small enough to be compared with another one's.
#pragma once
#include "arch_pass.h"
#include "model/config_json.h"

namespace hindscan {

// What a configuration makes: the declared weights, and the logits of a fixed text under fixed random weights.
struct Made {
  std::vector<std::pair<std::string, std::vector<int64_t>>> weights;
  std::vector<double> logits;
  std::vector<int32_t> end_ids;
  bool operator==(const Made&) const = default;
};

inline std::vector<std::pair<std::string, std::vector<int64_t>>> declared(const Config& config) {
  WeightTable table;
  make_architecture(config)->declare(table);
  std::vector<std::pair<std::string, std::vector<int64_t>>> out;
  for (size_t k = 0; k < table.size(); ++k) out.emplace_back(table[k].name, table[k].shape);
  return out;
}

inline Made make(const Config& config) {
  Model model = Model::create(config, DType::kF64, 1);
  Made out;
  for (size_t k = 0; k < model.weights().size(); ++k) {
    Weight& w = model.weights()[k];
    out.weights.emplace_back(w.name, w.shape);
    Rng rng(7, w.name);
    for (int64_t i = 0; i < w.size(); ++i) static_cast<double*>(w.data)[i] = 0.5 * rng.normal();
  }
  testing::Sequence text;
  text.tokens = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};
  out.logits = testing::run<double>(model, text);
  out.end_ids = model.generation().end_ids;
  return out;
}

}  // namespace hindscan
