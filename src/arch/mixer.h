// A family's token mixer by itself, so that a hybrid can put it anywhere: an Architecture that is also a Mixer can lend
// it.
#pragma once
#include <memory>
#include <string>

#include "core/config.h"
#include "core/context.h"
#include "core/weights.h"

namespace hindscan {

class Mixer {
 public:
  struct Sizes {
    int64_t maps = 0, state = 0,
            flops = 0;  // of one layer: implicit attention maps, numbers carried, multiply-adds x 2 per token
    int64_t cache_per_token = 0;
  };
  virtual ~Mixer() = default;
  // Weights of the instance `index` (instances are declared once each, in any order of the network's layers).
  virtual void declare_mixer(WeightTable& weights, const std::string& prefix, int64_t index) = 0;
  virtual Var mix(Ctx& c, int64_t index, Var u) const = 0;  // [T, d_model] -> [T, d_model], inside a mixer scope
  virtual Sizes mixer_sizes() const = 0;
};

}  // namespace hindscan
