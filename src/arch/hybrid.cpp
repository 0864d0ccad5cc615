// A network whose layers are data: config.json lists them, each a residual step through one block or several in
// parallel, and blocks may be shared by layers. A block is a mixer of any family that lends one, softmax attention, an
// MLP or a mixture of experts:
//   "layers": ["ssm", "mlp", "ssm+attn", "mlp", "attn@2"],
//   "blocks": {"ssm": {"model_type": "mamba2", "head_dim": 32}, "attn": {"model_type": "attention",
//   "num_attention_heads": 4},
//              "mlp": {"model_type": "mlp", "intermediate_size": 256}}
// "a+b" reads one norm and adds both outputs; "a@2" uses the weights layer 2 declared for a.
#include "arch/hybrid_plan.h"
#include "core/ops/arrange.h"
#include "core/ops/embedding.h"
#include "core/ops/norm.h"

namespace hindscan {

namespace {

constexpr int64_t kMaxDim = int64_t{1} << 24;

class Hybrid final : public Architecture {
 public:
  explicit Hybrid(const Config& c) : source_(c), plan_(c) {
    d_model_ = c.integer("hidden_size", 1, kMaxDim);
    vocab_size_ = c.integer("vocab_size", 1, kMaxDim);
    norm_eps_ = c.real("norm_eps", 0, 1, 1e-5);
    std_ = c.real("initializer_range", 0, 1e6, 0.02);
    tie_ = c.flag("tie_word_embeddings", false);
    residual_ = c.flag("residual", true);
    pre_norm_ = c.flag("pre_norm", true);
    final_norm_wanted_ = c.flag("final_norm", true);
  }

  void declare(WeightTable& t) override {
    embeddings_ = &t.add_matrix("embeddings.weight", {vocab_size_, d_model_}, Init::normal(std_));
    for (size_t l = 0; l < plan_.steps().size(); ++l) {
      const std::string prefix = fmt::format("layers.{}.", l);
      if (pre_norm_) plan_.steps()[l].norm = &t.add(prefix + "norm.weight", {d_model_}, Init::ones());
      for (const HybridPart& p : plan_.steps()[l].parts) {
        if (plan_.owner_of(p) != l) continue;
        if (p.block->mixer != nullptr)
          p.block->mixer->declare_mixer(t, prefix + p.block->name + ".", p.instance);
        else
          p.block->mlp->declare(t, prefix + p.block->name + ".");
      }
    }
    if (final_norm_wanted_) final_norm_ = &t.add("norm.weight", {d_model_}, Init::ones());
    head_ = embeddings_;
    if (tie_)
      embeddings_->aliases.push_back("lm_head.weight");
    else
      head_ = &t.add_matrix("lm_head.weight", {vocab_size_, d_model_}, Init::normal(std_));
  }

  Var forward(Ctx& ctx) const override {
    Var h = ops::embedding(ctx, *embeddings_);  // [T, d_model]
    for (size_t l = 0; l < plan_.steps().size(); ++l) {
      h = ctx.block(static_cast<int>(l), h, [this, l](Ctx& c, Var x) {
        const HybridStep& step = plan_.steps()[l];
        const Var u = pre_norm_ ? ops::rmsnorm(c, step.norm, x, norm_eps_) : x;  // [T, d_model]
        Var y = residual_ ? x : kNoVar;                                          // [T, d_model]
        for (const HybridPart& p : step.parts) {
          const Var out = apply(c, p, u);  // [T, d_model]
          y = y == kNoVar ? out : ops::add(c, y, out);
        }
        return y;
      });
    }
    return final_norm_ == nullptr ? h : ops::rmsnorm(ctx, final_norm_, h, norm_eps_);  // [T, d_model]
  }

  const Weight& head() const override { return *head_; }
  Config hf_config() const override { return source_; }
  std::vector<KeyNote> unused_keys() const override {
    std::vector<KeyNote> out;
    const ConfigValue* blocks = source_.find("blocks");
    const auto* described = blocks == nullptr ? nullptr : blocks->as<ConfigValue::Object>();
    for (const auto& entry : described == nullptr ? ConfigValue::Object() : *described) {
      const bool used = std::any_of(plan_.blocks().begin(), plan_.blocks().end(),
                                    [&](const auto& b) { return b->name == entry.first; });
      if (!used) out.push_back({"blocks." + entry.first, "no layer has this block"});
    }
    for (const auto& block : plan_.blocks()) {
      if (!block->family) continue;
      for (const KeyNote& note : block->family->unused_keys())
        out.push_back({fmt::format("blocks.{}.{}", block->name, note.key), note.why});
      for (const KeyNote& note : common_keys())
        out.push_back({fmt::format("blocks.{}.{}", block->name, note.key), note.why});
    }
    return out;
  }

  ArchitectureSizes sizes() const override {
    ArchitectureSizes s{vocab_size_, d_model_, std::ssize(plan_.steps())};
    for_each_mixer([&](const Mixer::Sizes& m) {
      s.attention_maps += m.maps;
      s.state_numbers += m.state;
      s.cache_per_token += m.cache_per_token;
    });
    return s;
  }

  int64_t flops_per_token() const override {
    int64_t flops = 2 * vocab_size_ * d_model_;
    for_each_mixer([&](const Mixer::Sizes& m) { flops += m.flops; });
    for (const HybridStep& step : plan_.steps()) {
      for (const HybridPart& p : step.parts) flops += p.block->mlp ? p.block->mlp->flops() : 0;
    }
    return flops;
  }

 private:
  template <class F>
  void for_each_mixer(const F& f) const {
    for (const HybridStep& step : plan_.steps()) {
      for (const HybridPart& p : step.parts) {
        if (p.block->mixer != nullptr) f(p.block->mixer->mixer_sizes());
      }
    }
  }

  static Var apply(Ctx& c, const HybridPart& p, Var u) {
    if (p.block->mlp) return p.block->mlp->apply(c, p.instance, u);
    return c.mixer(u, [&](Ctx& m, Var in) { return p.block->mixer->mix(m, p.instance, in); });
  }

  Config source_;
  HybridPlan plan_;
  int64_t d_model_, vocab_size_;
  double norm_eps_, std_;
  bool tie_, residual_, pre_norm_, final_norm_wanted_;
  Weight *embeddings_ = nullptr, *final_norm_ = nullptr, *head_ = nullptr;
};

}  // namespace

std::unique_ptr<Architecture> make_hybrid(const Config& c) { return std::make_unique<Hybrid>(c); }

// Mamba-2 with one attention layer in four, MLPs between.
Config hybrid_preset(const PresetSizes& sizes) {
  Config c("preset hybrid");
  c.set("model_type", std::string("hybrid"));
  c.set("hidden_size", sizes.d_model);
  c.set("vocab_size", sizes.vocab_size);
  std::vector<std::string> layers;
  for (int64_t l = 0; l < sizes.n_layer; ++l) {
    layers.push_back(l % 4 == 3 ? "attn" : "ssm");
    layers.push_back("mlp");
  }
  c.set_list("layers", layers);
  const int64_t head = std::min<int64_t>(64, sizes.d_model);
  c.set("blocks.ssm.model_type", std::string("mamba2"));
  c.set("blocks.ssm.head_dim", head);
  c.set("blocks.ssm.state_size", int64_t{64});
  c.set("blocks.ssm.n_groups", int64_t{1});
  if (sizes.n_layer > 3) {
    c.set("blocks.attn.model_type", std::string("attention"));
    c.set("blocks.attn.num_attention_heads", sizes.d_model / head);
  }
  c.set("blocks.mlp.model_type", std::string("mlp"));
  c.set("blocks.mlp.intermediate_size", 2 * sizes.d_model);
  c.set("tie_word_embeddings", true);
  return c;
}

}  // namespace hindscan
