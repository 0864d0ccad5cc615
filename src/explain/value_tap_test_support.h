// For tests that change or drop what one core reads as values, and nothing else.
#pragma once
#include <algorithm>
#include <optional>
#include <string>

#include "explain/mixer_view.h"

namespace hindscan {

// Numbers of a tap to which the output of a core is proportional, token by token; zeros drop the token's value.
struct ValueTap {
  std::string name;
  int64_t first = 0, count = 0;  // columns
  bool own_term = false;         // so is what the token adds to its own row beside the core
};

// Whether node reads v.
inline bool reads(const OpNode& node, Var v) { return std::find(node.in.begin(), node.in.end(), v) != node.in.end(); }

// Whether no other tap has the name of this one: mixers side by side share theirs.
inline bool is_only_one(const Ctx& ctx, const std::string& name) {
  int64_t count = 0;
  for (const MixerScope& m : ctx.mixers())
    count += std::count_if(m.taps.begin(), m.taps.end(), [&](const auto& tap) { return tap.first == name; });
  return count == 1;
}

// Empty: what the taps of this core show goes elsewhere as well, or does more than write. own_term: whether a tap that
// the token's own term reads too will do.
template <class R>
std::optional<ValueTap> value_tap(const Ctx& ctx, const MixerView<R>& view, bool own_term = false) {
  const MixerDetail& detail = *ctx.nodes()[view.ops().core].mixer;
  const std::string_view structure = detail.structure;
  const auto* heads = dynamic_cast<const HeadDetail<R>*>(&detail);
  const bool keys_write_only =
      heads != nullptr ? heads->coeffs.b == nullptr && heads->divisor == nullptr : structure == "element";
  for (const auto& [name, v] : ctx.mixers()[view.mixer].taps) {
    const bool weight = structure == "channel" && name.ends_with(".write");
    if (v != detail.values && !(keys_write_only && v == detail.writes) && !weight) continue;
    const auto of_others = [&, v = v](const OpNode& n) {
      return reads(n, v) && n.mixer.get() != &detail && !(own_term && n.role == Role::kSkip);
    };
    if (!is_only_one(ctx, name) || std::any_of(ctx.nodes().begin(), ctx.nodes().end(), of_others)) continue;
    const auto* cell = dynamic_cast<const NonlinearDetail<R>*>(&detail);
    const int64_t gates = cell == nullptr ? 1 : kernels::cell_gates(cell->dims.cell), width = ctx.cols(v) / gates;
    return ValueTap{name, gates == 1 ? 0 : 2 * width, width, own_term};  // of several gates the third is the candidate
  }
  return std::nullopt;
}

}  // namespace hindscan
