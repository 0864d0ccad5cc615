// The skeleton most language models share: embedding, layers of x + mixer(norm(x)) and x + mlp(norm(x)), final norm,
// head. A family fills in its mixer. Names as flash-linear-attention's checkpoints have them.
#pragma once
#include <string>
#include <vector>

#include "arch/architecture.h"
#include "arch/mixer.h"
#include "nn/parts.h"

namespace hindscan {

struct ResidualConfig {
  int64_t d_model = 0, n_layer = 0, vocab_size = 0;
  int64_t d_ffn = 0;  // 0: no MLP
  bool tie_embeddings = false;
  double norm_eps = 1e-6;
  double init_std = 0.02;
};

// hidden_size, num_hidden_layers, vocab_size, intermediate_size (or hidden_ratio), norm_eps, tie_word_embeddings.
// The last two where they are absent.
ResidualConfig read_residual_config(const Config& c, int64_t hidden_ratio, int64_t n_layer = 24);
Config residual_preset(const std::string& model_type, const PresetSizes& sizes, int64_t hidden_ratio);

class ResidualModel : public Architecture, public Mixer {
 public:
  ResidualModel(const Config& source, ResidualConfig c) : source_(source), base_(c) {}
  void declare(WeightTable& weights) override;
  Var forward(Ctx& ctx) const override;
  const Weight& head() const override { return *head_; }
  ArchitectureSizes sizes() const override;
  Config hf_config() const override { return source_; }
  std::vector<KeyNote> unused_keys() const override { return {fla_keys().begin(), fla_keys().end()}; }
  int64_t flops_per_token() const override;

 protected:
  virtual void declare_shared(WeightTable&) {}  // weights that belong to no layer
  Init init() const { return Init::normal(base_.init_std); }

  Config source_;  // as read; written back by save
  ResidualConfig base_;

 private:
  struct Block {
    Weight *mixer_norm, *mlp_norm = nullptr;
    nn::GatedMlp mlp;
  };
  std::vector<Block> blocks_;
  Weight *embeddings_ = nullptr, *norm_ = nullptr, *head_ = nullptr;
};

}  // namespace hindscan
