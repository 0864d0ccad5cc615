// What the configuration of a hybrid lists: named blocks, and the layers that are made of them.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "arch/architecture.h"
#include "arch/hybrid_blocks.h"

namespace hindscan {

// A named block of the configuration and how many layers own weights of it.
struct HybridBlock {
  std::string name;
  std::unique_ptr<Architecture> family;  // owns the mixer when a family lends it
  std::unique_ptr<Mixer> own_mixer;
  Mixer* mixer = nullptr;
  std::unique_ptr<ChannelBlock> mlp;
  int64_t instances = 0;
};

struct HybridPart {
  HybridBlock* block;
  int64_t instance;
};

struct HybridStep {
  std::vector<HybridPart> parts;
  Weight* norm = nullptr;
};

// "layers" and "blocks" of config.json (hybrid.cpp says how they are written).
class HybridPlan {
 public:
  explicit HybridPlan(const Config& config);  // Error(kData)
  const std::vector<std::unique_ptr<HybridBlock>>& blocks() const { return blocks_; }
  std::vector<HybridStep>& steps() { return steps_; }
  const std::vector<HybridStep>& steps() const { return steps_; }
  size_t owner_of(const HybridPart& part) const;  // the first layer with these weights

 private:
  HybridStep parse_layer(const Config& config, const std::string& text);
  HybridPart parse_part(const Config& config, const std::string& text);
  HybridBlock* block_named(const Config& config, const std::string& name);
  std::vector<std::unique_ptr<HybridBlock>> blocks_;
  std::vector<HybridStep> steps_;
};

}  // namespace hindscan
