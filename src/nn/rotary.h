// Rotary positions as configurations of Hugging Face describe them: "rope_parameters", or "rope_theta" and
// "rope_scaling" with its kind under "rope_type" or "type". Formulas: transformers' modeling_rope_utils.py.
#pragma once
#include <memory>

#include "core/config.h"
#include "core/ops/rotate.h"

namespace hindscan::nn {

// What a family's configuration says where a key is absent, and what it calls the keys outside the groups.
struct RotaryKeys {
  const char* base = "rope_theta";
  double default_base = 10000;
  const char* partial = "partial_rotary_factor";
  double default_partial = 1;
  int64_t default_positions = 2048;  // max_position_embeddings
};

struct Rotary {
  int64_t dim = 0;  // the first channels of a head, which turn; even
  double base = 10000;
  std::shared_ptr<const RopeScale> scale;

  Rope of(int64_t heads, int64_t head_dim) const { return {heads, head_dim, dim, base, false, scale}; }
};

// Kinds default, linear, dynamic, llama3 and yarn; Error(kData) names any other.
Rotary read_rotary(const Config& config, int64_t head_dim, const RotaryKeys& keys = {});

}  // namespace hindscan::nn
