// The one virtual interface of a model family. One file per family; archs.def lists them.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "arch/config_keys.h"
#include "core/config.h"
#include "core/context.h"
#include "core/ops/losses.h"
#include "core/weights.h"

namespace hindscan {

// Sizes a caller may need without knowing the family.
struct ArchitectureSizes {
  int64_t vocab_size = 0;
  int64_t d_model = 0;
  int64_t n_layer = 0;
  int64_t attention_maps = 0;   // implicit attention matrices of the whole model (one per channel or head and layer)
  int64_t state_numbers = 0;    // numbers a sequence carries (attention: per token instead, see cache_per_token)
  int64_t cache_per_token = 0;  // numbers a sequence adds with every token, up to its windows
  int64_t labels = 0;        // > 0: not a language model; forward gives one row a sequence, the head one number a label
  int64_t feature_dim = 0;   // > 0: reads feature vectors of this size instead of tokens
  bool tuned_start = false;  // texts start from a state that the weights hold
  bool regression = false;   // with labels: the numbers are predictions, not class scores
};

// What `train --arch NAME` starts from; a family fills in its published proportions.
struct PresetSizes {
  int64_t d_model = 256, n_layer = 4, vocab_size = 4096;
};

class Architecture {
 public:
  virtual ~Architecture() = default;
  // Names = checkpoint keys; serves load, save, initialise, optimise, count.
  virtual void declare(WeightTable& weights) = 0;
  // The only place where a layer exists: [T, d_model] after the final norm. Run, train and explain read this.
  virtual Var forward(Ctx& ctx) const = 0;
  virtual const Weight& head() const = 0;                  // [vocab, d_model]
  virtual LogitHead logit_head() const { return head(); }  // with bias, scale and soft cap where the family has them
  virtual ArchitectureSizes sizes() const = 0;
  virtual Config hf_config() const = 0;                            // config.json as Hugging Face writes it
  virtual std::vector<KeyNote> unused_keys() const { return {}; }  // of its configuration, beside common_keys()
  virtual int64_t flops_per_token() const = 0;  // multiply-adds x 2 of one forward token, head included
};

// Builds the family named by "model_type", or recognised by its keys. Error(kData) lists what is known.
std::unique_ptr<Architecture> make_architecture(const Config& config);
std::vector<std::string> architecture_names();
// Configuration of a fresh model; Error(kUsage) lists the names. Weights start from the published initialisation.
Config architecture_preset(const std::string& name, const PresetSizes& sizes);

}  // namespace hindscan
