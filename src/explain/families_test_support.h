// Every architecture of the table with random weights, for tests that know none of them.
#pragma once
#include <string>
#include <vector>

#include "explain/report.h"
#include "explain/test_support.h"

namespace hindscan {

inline constexpr int64_t kTokens = 23, kVocab = 60;

inline constexpr const char* kParallel =
    "parallel_blocks";  // mixers side by side in a block, shared weights, one after another

inline constexpr const char* kShortWindow = "short_window";  // attention that forgets within the text

inline Config short_window() {
  Config c = architecture_preset("recurrent_gemma", {.d_model = 32, .n_layer = 3, .vocab_size = kVocab});
  c.set("attention_window_size", int64_t{6});
  c.set_list("block_types", std::vector<std::string>{"attention", "recurrent", "attention"});
  return c;
}

inline Config parallel_blocks() {
  Config c = architecture_preset("hybrid", {.d_model = 32, .n_layer = 4, .vocab_size = kVocab});  // with attention
  c.set_list("layers", std::vector<std::string>{"ssm+attn+delta", "mlp", "delta", "attn@0"});
  c.set("blocks.delta.model_type", std::string("gated_deltanet"));
  c.set("blocks.delta.head_dim", int64_t{8});
  c.set("blocks.delta.num_heads", int64_t{2});
  return c;
}

inline Config config_of(const std::string& name) {
  if (name == kParallel) return parallel_blocks();
  if (name == kShortWindow) return short_window();
  return architecture_preset(name, {.d_model = 32, .n_layer = 3, .vocab_size = kVocab});
}

// The published initialisation, then every parameter moved, so that none stays at zero or one.
inline Model random_model(const Config& config, DType dtype) {
  Model m = Model::create(config, DType::kF64, 3);
  Rng rng(3, "families");
  for (size_t i = 0; i < m.weights().size(); ++i) {
    Weight& w = m.weights()[i];
    double* p = static_cast<double*>(w.data);
    const double scale = w.matrix ? 0.7 / std::sqrt(static_cast<double>(w.cols())) : 0.15;
    for (int64_t k = 0; k < w.size(); ++k) p[k] += scale * rng.normal();
  }
  return dtype == DType::kF64 ? std::move(m) : m.to(dtype);
}

inline std::vector<int32_t> some_tokens() {
  Rng rng(8, "tokens");
  std::vector<int32_t> out;
  for (int64_t t = 0; t < kTokens; ++t) out.push_back(static_cast<int32_t>(rng.below(kVocab)));
  return out;
}

inline std::vector<std::string> all_cases() {
  std::vector<std::string> names = architecture_names();
  names.push_back(kParallel);
  return names;
}

inline std::vector<std::string> cases_with_a_window() {
  std::vector<std::string> names = all_cases();
  names.push_back(kShortWindow);
  return names;
}

inline ExplainRequest request_of(const Model& model, int64_t chunk) {
  ExplainRequest r = request_for(some_tokens(), chunk);
  const int64_t F = model.arch().sizes().feature_dim;
  if (F == 0) return r;
  r.tokens.clear();
  Rng rng(9, "features");
  for (int64_t i = 0; i < kTokens * F; ++i) r.features.push_back(static_cast<float>(rng.normal()));
  return r;
}

}  // namespace hindscan
