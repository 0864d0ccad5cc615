// A network whose layers are data: config.json lists them, each a residual step through one block or several in
// parallel, and blocks may be shared by layers. A block is a mixer of any family that lends one, softmax attention, an
// MLP or a mixture of experts:
//   "layers": ["ssm", "mlp", "ssm+attn", "mlp", "attn@2"],
//   "blocks": {"ssm": {"model_type": "mamba2", "head_dim": 32}, "attn": {"model_type": "attention",
//   "num_attention_heads": 4},
//              "mlp": {"model_type": "mlp", "intermediate_size": 256}}
// "a+b" reads one norm and adds both outputs; "a@2" uses the weights layer 2 declared for a.
#include "arch/architecture.h"
#include "arch/hybrid_blocks.h"
#include "core/ops/arrange.h"
#include "core/ops/embedding.h"
#include "core/ops/norm.h"

namespace hindscan {

namespace {

constexpr int64_t kMaxDim = int64_t{1} << 24;

// A named block of the configuration and how many layers own weights of it.
struct Block {
  std::string name;
  std::unique_ptr<Architecture> family;  // owns the mixer when a family lends it
  std::unique_ptr<Mixer> own_mixer;
  Mixer* mixer = nullptr;
  std::unique_ptr<ChannelBlock> mlp;
  int64_t instances = 0;
};

struct Part {
  Block* block;
  int64_t instance;
};

struct LayerStep {
  std::vector<Part> parts;
  Weight* norm = nullptr;
};

// The block's own settings over the network's sizes.
Config block_config(const Config& c, const std::string& name) {
  Config out(fmt::format("{}: blocks.{}", c.label(), name));
  const int64_t D = c.integer("hidden_size", 1, kMaxDim);
  out.set("hidden_size", D);
  out.set("d_model", D);
  out.set("vocab_size", int64_t{1});
  out.set("num_hidden_layers", std::max<int64_t>(1, c.count("layers")));
  out.set("n_layer", std::max<int64_t>(1, c.count("layers")));
  const ConfigValue* blocks = c.find("blocks");
  const auto* all = blocks == nullptr ? nullptr : blocks->as<ConfigValue::Object>();
  check(blocks == nullptr || all != nullptr, ErrorCode::kData,
        "[{}] expected \"blocks\" to be an object with a block under each name, found another type; correct the file",
        c.label());
  const auto found = all == nullptr ? ConfigValue::Object::const_iterator() : all->find(name);
  const auto* own = all == nullptr || found == all->end() ? nullptr : found->second.as<ConfigValue::Object>();
  if (all != nullptr && found != all->end()) {
    check(own != nullptr, ErrorCode::kData,
          "[{}] expected \"blocks\" to describe \"{}\" by an object, found another type; correct the file", c.label(),
          name);
    for (const auto& [key, value] : *own) out.set(key, value);
  }
  out.record_into(c, "blocks." + name);
  check(out.has("model_type"), ErrorCode::kData,
        "[{}] expected \"blocks\" to describe \"{}\" with a \"model_type\", found none", c.label(), name);
  return out;
}

std::unique_ptr<Block> make_block(const Config& c, const std::string& name) {
  const Config own = block_config(c, name);
  const std::string type = own.text("model_type", "");
  auto b = std::make_unique<Block>();
  b->name = name;
  if (type == "mlp" || type == "moe") {
    b->mlp = std::make_unique<ChannelBlock>(own);
    return b;
  }
  if (type == "attention") {
    b->own_mixer = make_attention_block(own);
    b->mixer = b->own_mixer.get();
    return b;
  }
  check(type != "hybrid", ErrorCode::kData, "[{}] expected a family's name, found hybrid inside a hybrid", own.label());
  b->family = make_architecture(own);
  b->mixer = dynamic_cast<Mixer*>(b->family.get());
  check(b->mixer != nullptr, ErrorCode::kData, "[{}] expected a family whose mixer stands alone, found \"{}\"",
        own.label(), type);
  return b;
}

class Hybrid final : public Architecture {
 public:
  explicit Hybrid(const Config& c) : source_(c) {
    d_model_ = c.integer("hidden_size", 1, kMaxDim);
    vocab_size_ = c.integer("vocab_size", 1, kMaxDim);
    norm_eps_ = c.real("norm_eps", 1e-5);
    std_ = c.real("initializer_range", 0.02);
    tie_ = c.flag("tie_word_embeddings", false);
    residual_ = c.flag("residual", true);
    pre_norm_ = c.flag("pre_norm", true);
    final_norm_wanted_ = c.flag("final_norm", true);
    const std::vector<std::string> layers = c.texts("layers");
    check(layers.size() <= 10000, ErrorCode::kData, "[{}] expected at most 10000 \"layers\", found {}", c.label(),
          layers.size());
    for (const std::string& text : layers) steps_.push_back(parse_layer(text));
  }

  void declare(WeightTable& t) override {
    embeddings_ = &t.add_matrix("embeddings.weight", {vocab_size_, d_model_}, Init::normal(std_));
    for (size_t l = 0; l < steps_.size(); ++l) {
      const std::string prefix = fmt::format("layers.{}.", l);
      if (pre_norm_) steps_[l].norm = &t.add(prefix + "norm.weight", {d_model_}, Init::ones());
      for (const Part& p : steps_[l].parts) {
        if (owner_of(p) != l) continue;
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
    for (size_t l = 0; l < steps_.size(); ++l) {
      h = ctx.block(static_cast<int>(l), h, [this, l](Ctx& c, Var x) {
        const LayerStep& step = steps_[l];
        const Var u = pre_norm_ ? ops::rmsnorm(c, step.norm, x, norm_eps_) : x;  // [T, d_model]
        Var y = residual_ ? x : kNoVar;                                          // [T, d_model]
        for (const Part& p : step.parts) {
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
      const bool used =
          std::any_of(blocks_.begin(), blocks_.end(), [&](const auto& b) { return b->name == entry.first; });
      if (!used) out.push_back({"blocks." + entry.first, "no layer has this block"});
    }
    for (const auto& block : blocks_) {
      if (!block->family) continue;
      for (const KeyNote& note : block->family->unused_keys())
        out.push_back({fmt::format("blocks.{}.{}", block->name, note.key), note.why});
      for (const KeyNote& note : common_keys())
        out.push_back({fmt::format("blocks.{}.{}", block->name, note.key), note.why});
    }
    return out;
  }

  ArchitectureSizes sizes() const override {
    ArchitectureSizes s{vocab_size_, d_model_, static_cast<int64_t>(steps_.size())};
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
    for (const LayerStep& step : steps_) {
      for (const Part& p : step.parts) flops += p.block->mlp ? p.block->mlp->flops() : 0;
    }
    return flops;
  }

 private:
  template <class F>
  void for_each_mixer(const F& f) const {
    for (const LayerStep& step : steps_) {
      for (const Part& p : step.parts) {
        if (p.block->mixer != nullptr) f(p.block->mixer->mixer_sizes());
      }
    }
  }

  static Var apply(Ctx& c, const Part& p, Var u) {
    if (p.block->mlp) return p.block->mlp->apply(c, p.instance, u);
    return c.mixer(u, [&](Ctx& m, Var in) { return p.block->mixer->mix(m, p.instance, in); });
  }

  size_t owner_of(const Part& p) const {
    for (size_t l = 0; l < steps_.size(); ++l) {
      for (const Part& q : steps_[l].parts) {
        if (q.block == p.block && q.instance == p.instance) return l;
      }
    }
    return steps_.size();
  }

  // "a", "a+b", "a@2".
  LayerStep parse_layer(const std::string& text) {
    constexpr std::ptrdiff_t kParts = 64;
    check(std::count(text.begin(), text.end(), '+') < kParts, ErrorCode::kData,
          "[{}] expected at most {} blocks in one of \"layers\", found more", source_.label(), kParts);
    LayerStep step;
    for (size_t at = 0; at <= text.size();) {
      const size_t end = std::min(text.find('+', at), text.size());
      const Part part = parse_part(text.substr(at, end - at));
      const bool again =
          std::any_of(step.parts.begin(), step.parts.end(), [&](const Part& p) { return p.block == part.block; });
      check(!again, ErrorCode::kData, "[{}] expected a block once in one of \"layers\", found \"{}\"", source_.label(),
            text);
      step.parts.push_back(part);
      at = end + 1;
    }
    return step;
  }

  Part parse_part(const std::string& text) {
    const size_t at = text.find('@');
    Block* block = block_named(text.substr(0, at));
    if (at == std::string::npos) return {block, block->instances++};
    const std::string number = text.substr(at + 1);
    const bool digits =
        !number.empty() && number.size() < 6 && number.find_first_not_of("0123456789") == std::string::npos;
    const size_t layer = digits ? static_cast<size_t>(std::stoul(number)) : steps_.size();
    for (size_t i = 0; layer < steps_.size() && i < steps_[layer].parts.size(); ++i) {
      if (steps_[layer].parts[i].block == block) return steps_[layer].parts[i];
    }
    fail(ErrorCode::kData, "[{}] expected an earlier layer that holds \"{}\" after the @ in \"layers\", found \"{}\"",
         source_.label(), block->name, text);
  }

  Block* block_named(const std::string& name) {
    constexpr size_t kBlocks = 256, kLetters = 100;
    check(name.size() <= kLetters && blocks_.size() < kBlocks, ErrorCode::kData,
          "[{}] expected at most {} different blocks in \"layers\", with names of at most {} letters", source_.label(),
          kBlocks, kLetters);
    for (const auto& b : blocks_) {
      if (b->name == name) return b.get();
    }
    blocks_.push_back(make_block(source_, name));
    return blocks_.back().get();
  }

  Config source_;
  int64_t d_model_, vocab_size_;
  double norm_eps_, std_;
  bool tie_, residual_, pre_norm_, final_norm_wanted_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<LayerStep> steps_;
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
