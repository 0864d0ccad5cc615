#include "explain/matrix_collect.h"

#include <algorithm>

#include "explain/orders.h"

namespace hindscan {

template <class R>
const MixerView<R>& find_view(const std::vector<std::unique_ptr<MixerView<R>>>& views, const MatrixRequest& r,
                              const MatrixPlan& p) {
  std::vector<const MixerView<R>*> found;
  for (const auto& view : views) {
    if (view->layer == p.layer) found.push_back(view.get());
  }
  check(!found.empty(), ErrorCode::kUsage, "[matrix] layer {} does not mix tokens", p.layer);
  check(r.mixer >= 0 && r.mixer < static_cast<int>(found.size()), ErrorCode::kUsage,
        "[matrix] expected a mixer of layer {} in 0..{}, found {}", p.layer, found.size() - 1, r.mixer);
  const MixerView<R>& view = *found[static_cast<size_t>(r.mixer)];
  check(!p.fold || view.folds(), ErrorCode::kUsage,
        "[matrix] layer {} is a recurrence that reads its own output; its map has core fidelity only", p.layer);
  check(r.estimator == Estimator::kExact || view.has_key_dropping(), ErrorCode::kUsage,
        "[matrix] layer {} has no rank-1 transition; its map is exact without the estimator", p.layer);
  return view;
}

namespace {

// In the text's order: the tokens of the window, chunk by chunk.
template <class R>
void collect_chunk(Ctx& ctx, const MixerView<R>& view, int64_t first, const MatrixRequest& r, const MatrixPlan& p,
                   Collected<R>& c) {
  if (c.parts.empty()) {
    c.parts.push_back({p.window.begin, p.window.end, view.window(p.fold, r.estimator)});
    c.parts[0].window->expect(p.window.end - p.window.begin);
  }
  const Part<R>& part = c.parts[0];
  part.window->append(ctx, without(ctx, view.ops(), r.without), std::max(part.begin, first) - first,
                      std::min(part.end, first + view.tokens()) - first);
}

template <class R>
void collect_whole(Ctx& ctx, Var h, const MixerView<R>& view, const MatrixRequest& r, const MatrixPlan& p,
                   Collected<R>& c) {
  const Orders orders = Orders::of<R>(ctx, h);
  if (orders.trivial()) return collect_chunk(ctx, view, 0, r, p, c);
  for (int64_t i = 0; i < view.tokens(); ++i) {
    std::vector<double> one(static_cast<size_t>(view.tokens()), 0.0);
    one[static_cast<size_t>(i)] = 1;
    c.to_text.push_back(orders.move(view.values(), orders.text(), std::move(one)));
  }
  for (const Segment& g : ctx.layout(view.values()).segments) {
    c.parts.push_back({g.begin, g.end, view.window(p.fold, r.estimator)});
    c.parts.back().window->append(ctx, without(ctx, view.ops(), r.without), g.begin, g.end);
  }
}

}  // namespace

template <class R>
Collected<R> collect(const Model& model, const MatrixRequest& r, const MatrixPlan& p, bool whole) {
  Collected<R> c;
  WalkPlan plan = plan_reading(model, r);
  if (whole)
    plan.chunk = p.T;
  else if (plan.feature_dim == 0)
    plan.tokens = plan.tokens.first(static_cast<size_t>(p.window.end));
  const auto visit = [&](Ctx& ctx, Var h, int64_t first, int64_t) {
    const auto views = mixer_views<R>(ctx);
    const MixerView<R>& view = find_view(views, r, p);
    c.structure = view.name();
    if (needs_whole_text(ctx))
      collect_whole(ctx, h, view, r, p, c);
    else
      collect_chunk(ctx, view, first, r, p, c);
  };
  ReverseWalk(model, plan).run_forward(visit, whole ? p.T - 1 : p.window.end - 1);
  return c;
}

#define HS_INSTANTIATE(R)                                                                                            \
  template const MixerView<R>& find_view<R>(const std::vector<std::unique_ptr<MixerView<R>>>&, const MatrixRequest&, \
                                            const MatrixPlan&);                                                      \
  template Collected<R> collect<R>(const Model&, const MatrixRequest&, const MatrixPlan&, bool);
HS_INSTANTIATE(float)
HS_INSTANTIATE(double)
#undef HS_INSTANTIATE

}  // namespace hindscan
