// What the adjoint of an op does, chosen per role of the op and never per model. A named set of rules is a method.
#pragma once
#include <cstdint>

namespace hindscan {

// Which coefficient of a token mixer carries the adjoint. kAll is the ordinary backward pass; the five others split the
// exact gradient of a mixer into parts that add up to it (DESIGN 1b.2).
enum class MixerPath : uint8_t { kAll, kValue, kWrite, kDecay, kRead, kGate };
inline constexpr int kMixerPaths = 5;  // kValue .. kGate
constexpr const char* mixer_path_name(MixerPath p) {
  constexpr const char* names[] = {"all", "value", "write", "decay", "read", "gate"};
  return names[static_cast<int>(p)];
}

struct AdjointRules {
  enum class Gate : uint8_t { kExact, kFreeze } gate = Gate::kExact;       // kFreeze: the gate is a constant factor
  enum class Act : uint8_t { kExact, kFrozenSlope } act = Act::kExact;     // y = slope * x, slope constant
  enum class Norm : uint8_t { kExact, kFrozenScale } norm = Norm::kExact;  // 1/rms constant
  enum class Recurrence : uint8_t { kExact, kValuePath } recurrence = Recurrence::kExact;  // dt, B, C constant
  MixerPath path = MixerPath::kAll;
  bool skip = true;      // the D x path carries the adjoint
  bool weights = false;  // accumulate weight gradients (training)
};

// The whole-model linear operator: every data-dependent coefficient at the value it took.
constexpr AdjointRules frozen_rules() {
  return {AdjointRules::Gate::kFreeze,
          AdjointRules::Act::kFrozenSlope,
          AdjointRules::Norm::kFrozenScale,
          AdjointRules::Recurrence::kValuePath,
          MixerPath::kAll,
          true,
          false};
}
constexpr AdjointRules exact_rules() { return {}; }
constexpr AdjointRules training_rules() {
  AdjointRules r;
  r.weights = true;
  return r;
}

}  // namespace hindscan
