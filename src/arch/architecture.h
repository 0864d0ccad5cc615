// The one virtual interface of a model family. One file per family; archs.def lists them.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/context.h"
#include "core/weights.h"

namespace hindscan {

// Sizes a caller may need without knowing the family.
struct ArchitectureSizes {
  int64_t vocab_size = 0;
  int64_t d_model = 0;
  int64_t n_layer = 0;
  int64_t attention_maps = 0;  // implicit attention matrices of the whole model (one per channel or head and layer)
  int64_t state_numbers = 0;   // numbers a sequence carries
};

class Architecture {
 public:
  virtual ~Architecture() = default;
  // Names = checkpoint keys; serves load, save, initialise, optimise, count.
  virtual void declare(WeightTable& weights) = 0;
  // The only place where a layer exists: [T, d_model] after the final norm. Run, train and explain read this.
  virtual Var forward(Ctx& ctx) const = 0;
  virtual const Weight& head() const = 0;  // [vocab, d_model]
  virtual ArchitectureSizes sizes() const = 0;
  virtual Config hf_config() const = 0;    // config.json as Hugging Face writes it
  virtual int64_t flops_per_token() const = 0;  // multiply-adds x 2 of one forward token, head included
};

// Builds the family named by "model_type", or recognised by its keys. Error(kData) lists what is known.
std::unique_ptr<Architecture> make_architecture(const Config& config);
std::vector<std::string> architecture_names();

}  // namespace hindscan
