#include "explain/mixer_view.h"

#include <algorithm>

#include "explain/views.h"

namespace hindscan {

using kernels::glr::DecayShape;

template <class R>
MixerView<R>::MixerView(const Ctx& ctx, const MixerScope& from, size_t core)
    : layer(from.layer), ops_(find_mixer_ops(ctx, from, core)), T_(ctx.rows(ops_.values)) {
  segments_ = ctx.layout(ops_.values).segments;
  for (const Segment& g : segments_) {
    check(g.seq == 0, ErrorCode::kInternal, "[{}] expected one sequence in the pass, found more", from.where);
  }
}

template <class R>
static std::unique_ptr<MixerView<R>> make_view(const Ctx& ctx, const MixerScope& scope, size_t core,
                                               Estimator estimator) {
  const MixerDetail& detail = *ctx.nodes()[core].mixer;
  switch (detail.kind) {
    case MixerDetail::Kind::kElement:
      return std::make_unique<ElementView<R>>(ctx, scope, core);
    case MixerDetail::Kind::kChannel:
      return std::make_unique<ChannelView<R>>(ctx, scope, core);
    case MixerDetail::Kind::kHeads:
      return std::make_unique<HeadView<R>>(ctx, scope, core, estimator);
    case MixerDetail::Kind::kSoftmax:
      return std::make_unique<SoftmaxView<R>>(ctx, scope, core);
    case MixerDetail::Kind::kNonlinear:
      break;
  }
  return std::make_unique<NonlinearView<R>>(ctx, scope, core);
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
