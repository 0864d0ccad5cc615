#include "explain/mixer_view.h"

#include <algorithm>

#include "explain/structures.h"

namespace hindscan {

// Empty where no tap shows it.
static std::string tap_of(const MixerScope& scope, Var v) {
  const auto found =
      std::find_if(scope.taps.begin(), scope.taps.end(), [v](const auto& tap) { return tap.second == v; });
  return found == scope.taps.end() ? "" : found->first;
}

template <class R>
MixerView<R>::MixerView(const Ctx& ctx, const MixerScope& from, size_t core, StructureName name)
    : layer(from.layer),
      ops_(find_mixer_ops(ctx, from, core)),
      T_(ctx.rows(ops_.values)),
      segments_(ctx.layout(ops_.values).segments),
      has_resets_(!ctx.input().resets.empty()),
      name_(std::move(name)),
      where_(from.where),
      write_tap_(tap_of(from, ctx.nodes()[core].mixer->writes)),
      state_slot_(ctx.nodes()[core].mixer->state) {
  for (const Segment& g : segments_) {
    check(g.seq == 0 || ctx.options().chained, ErrorCode::kInternal,
          "[{}] expected one sequence in the pass, found more", from.where);
  }
}

template <class R>
const std::string& MixerView<R>::write_tap() const {
  check(!write_tap_.empty(), ErrorCode::kInternal, "[{}] expected a tap on what it writes, found none", where_);
  return write_tap_;
}

template <class R>
bool MixerView<R>::forgotten_before(int64_t t) const {
  return std::any_of(segments_.begin(), segments_.end(),
                     [t](const Segment& g) { return g.begin == t && !g.carries_in; });
}

template <class R>
void MixerView<R>::weighted_rows(const R* w, int64_t C, const R* y, double* out) const {
  std::fill_n(out, C, 0.0);
  for (int64_t t = 0; t < T_; ++t) {
    for (int64_t c = 0; w[t] != R(0) && c < C; ++c)
      out[c] += static_cast<double>(w[t]) * static_cast<double>(y[t * C + c]);
  }
}

template <class R>
static std::unique_ptr<MixerView<R>> make_view(const Ctx& ctx, const MixerScope& scope, size_t core,
                                               Estimator estimator) {
  using Make = std::unique_ptr<MixerView<R>> (*)(const Ctx&, const MixerScope&, size_t, Estimator);
  struct Line {
    std::string_view name;
    Make make;
  };
  constexpr Line table[] = {
#define HS_STRUCTURE(name) {#name, make_##name##_view<R>},
#include "explain/structures.def"
#undef HS_STRUCTURE
  };
  const std::string_view name = ctx.nodes()[core].mixer->structure;
  const Line* line = std::find_if(std::begin(table), std::end(table), [&](const Line& l) { return l.name == name; });
  check(line != std::end(table), ErrorCode::kInternal, "[{}] expected a structure of explain/structures.def, found {}",
        scope.where, name);
  return line->make(ctx, scope, core, estimator);
}

// Whether an input of node `to` depends on the output of one of the nodes `from`, all of which come before it.
static bool depends(const Ctx& ctx, const std::vector<size_t>& from, size_t to) {
  std::vector<char> reached;  // by Var
  const auto mark = [&](Var v) {
    if (reached.size() <= static_cast<size_t>(v)) reached.resize(static_cast<size_t>(v) + 1, 0);
    reached[static_cast<size_t>(v)] = 1;
  };
  const auto touches = [&](const OpNode& node) {
    return std::any_of(node.in.begin(), node.in.end(), [&](Var v) {
      return v >= 0 && static_cast<size_t>(v) < reached.size() && reached[static_cast<size_t>(v)] != 0;
    });
  };
  for (size_t i = from.front(); i < to; ++i) {
    const OpNode& node = ctx.nodes()[i];
    if (std::find(from.begin(), from.end(), i) != from.end() || touches(node)) mark(node.out);
  }
  return touches(ctx.nodes()[to]);
}

template <class R>
std::vector<std::unique_ptr<MixerView<R>>> mixer_views(const Ctx& ctx, Estimator estimator) {
  std::vector<std::unique_ptr<MixerView<R>>> views;
  std::vector<size_t> side_by_side;  // cores of the stage
  for (size_t s = 0; s < ctx.mixers().size(); ++s) {
    const MixerScope& scope = ctx.mixers()[s];
    for (size_t i = scope.first; i < scope.last; ++i) {
      if (ctx.nodes()[i].mixer == nullptr) continue;
      const bool next = !side_by_side.empty() && depends(ctx, side_by_side, i);
      if (next) side_by_side.clear();
      side_by_side.push_back(i);
      const size_t stage = views.empty() ? 0 : views.back()->stage + (next ? 1 : 0);
      views.push_back(make_view<R>(ctx, scope, i, estimator));
      views.back()->mixer = s;
      views.back()->stage = stage;
    }
  }
  return views;
}

#define HS_INSTANTIATE(R)      \
  template class MixerView<R>; \
  template std::vector<std::unique_ptr<MixerView<R>>> mixer_views<R>(const Ctx&, Estimator);
HS_INSTANTIATE(float)
HS_INSTANTIATE(double)
#undef HS_INSTANTIATE

}  // namespace hindscan
