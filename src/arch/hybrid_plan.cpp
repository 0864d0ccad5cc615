#include "arch/hybrid_plan.h"

namespace hindscan {

namespace {

constexpr int64_t kMaxDim = int64_t{1} << 24;

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

std::unique_ptr<HybridBlock> make_block(const Config& c, const std::string& name) {
  const Config own = block_config(c, name);
  const std::string type = own.text("model_type", "");
  auto b = std::make_unique<HybridBlock>();
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

}  // namespace

HybridPlan::HybridPlan(const Config& config) {
  const std::vector<std::string> layers = config.texts("layers");
  check(layers.size() <= 10000, ErrorCode::kData, "[{}] expected at most 10000 \"layers\", found {}", config.label(),
        layers.size());
  for (const std::string& text : layers) steps_.push_back(parse_layer(config, text));
}

size_t HybridPlan::owner_of(const HybridPart& part) const {
  for (size_t l = 0; l < steps_.size(); ++l) {
    for (const HybridPart& other : steps_[l].parts) {
      if (other.block == part.block && other.instance == part.instance) return l;
    }
  }
  return steps_.size();
}

// "a", "a+b", "a@2".
HybridStep HybridPlan::parse_layer(const Config& config, const std::string& text) {
  constexpr std::ptrdiff_t kParts = 64;
  check(std::count(text.begin(), text.end(), '+') < kParts, ErrorCode::kData,
        "[{}] expected at most {} blocks in one of \"layers\", found more", config.label(), kParts);
  HybridStep step;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('+', at), text.size());
    const HybridPart part = parse_part(config, text.substr(at, end - at));
    const bool again =
        std::any_of(step.parts.begin(), step.parts.end(), [&](const HybridPart& p) { return p.block == part.block; });
    check(!again, ErrorCode::kData, "[{}] expected a block once in one of \"layers\", found \"{}\"", config.label(),
          text);
    step.parts.push_back(part);
    at = end + 1;
  }
  return step;
}

HybridPart HybridPlan::parse_part(const Config& config, const std::string& text) {
  const size_t at = text.find('@');
  HybridBlock* block = block_named(config, text.substr(0, at));
  if (at == std::string::npos) return {block, block->instances++};
  const std::string number = text.substr(at + 1);
  const bool digits =
      !number.empty() && number.size() < 6 && number.find_first_not_of("0123456789") == std::string::npos;
  const size_t layer = digits ? static_cast<size_t>(std::stoul(number)) : steps_.size();
  for (size_t i = 0; layer < steps_.size() && i < steps_[layer].parts.size(); ++i) {
    if (steps_[layer].parts[i].block == block) return steps_[layer].parts[i];
  }
  fail(ErrorCode::kData, "[{}] expected an earlier layer that holds \"{}\" after the @ in \"layers\", found \"{}\"",
       config.label(), block->name, text);
}

HybridBlock* HybridPlan::block_named(const Config& config, const std::string& name) {
  constexpr size_t kBlocks = 256, kLetters = 100;
  check(name.size() <= kLetters && blocks_.size() < kBlocks, ErrorCode::kData,
        "[{}] expected at most {} different blocks in \"layers\", with names of at most {} letters", config.label(),
        kBlocks, kLetters);
  for (const auto& b : blocks_) {
    if (b->name == name) return b.get();
  }
  blocks_.push_back(make_block(config, name));
  return blocks_.back().get();
}

}  // namespace hindscan
