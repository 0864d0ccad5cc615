// The channel-wise ops around a mixer's core: what folds into its map at mixer fidelity.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/context.h"

namespace hindscan {

// Positions among the nodes of the pass; absent ops are npos.
struct MixerOps {
  static constexpr size_t npos = static_cast<size_t>(-1);
  size_t core = npos;          // the recurrence or attention
  size_t conv = npos;          // convolution before the values
  size_t activation = npos;    // between convolution (or projection) and values
  size_t skip = npos;          // D x after the core
  size_t gate = npos;          // after that
  std::vector<size_t> before;  // from `source` to the values, ascending: convolution first, then channel-wise ops
  std::vector<size_t> after;   // from the core's output to `result`, ascending: channel-wise ops up to the next linear
  size_t passed = npos;        // of these the one that hands on what it gets
  Var values = kNoVar;         // what the map multiplies
  Var source = kNoVar;         // where `before` starts
  Var result = kNoVar;         // where `after` ends
};

MixerOps find_mixer_ops(const Ctx& ctx, const MixerScope& scope, size_t core);

// What stands around a core and may be left out of its map, as in the ablations of arXiv 2405.16504.
enum class MixerPart : uint8_t { kConv, kActivation, kGate };
MixerPart parse_mixer_part(const std::string& name);  // "conv", "activation", "gate"; Error(kUsage)
// The ops without these. Error(kUsage) for one that is not there.
MixerOps without(const Ctx& ctx, MixerOps ops, const std::vector<MixerPart>& parts);

// Adjoint of one op of the chain with every coefficient held. A norm acts as the scale 1/std it had: its centring mixes
// channels and would make a mean over channels vanish.
template <class R>
void chain_backward(Ctx& ctx, const OpNode& node);

// Factor of every entry of the core's output on the way to `result` ([T, D]); empty: nothing folds in.
template <class R>
std::vector<R> result_factor(Ctx& ctx, const MixerOps& ops);

// Values as the chain makes them: v[t,c] = slope[t,c] * conv(u)[t, column[c]]; empty members: nothing of that kind.
template <class R>
struct ValueFold {
  std::vector<R> slope;  // [T, D]
  std::vector<R> conv;   // [D, K]
  int64_t K = 0;
};
template <class R>
ValueFold<R> value_fold(Ctx& ctx, const MixerOps& ops);

}  // namespace hindscan
