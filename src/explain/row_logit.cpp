// "row-logit": the target's row of every layer, read for the target. With g = d target / d y at the output of a layer's
// core, c_l[j] = sum over rows t and channels d of g[t,d] alpha[t,j,d] v[j,d]: what the target owes, to first order, to
// what the layer wrote of token j. One reverse scan of the core seeded with g, <v, d target / d v> along the value
// path.
#include "explain/reverse_method.h"

namespace hindscan {

namespace {

template <class R>
class RowLogit final : public ReverseMethod<R> {
 public:
  explicit RowLogit(const MethodContext<R>& context) : sizes_(context.sizes), map_(make_map(sizes_)) {}

  // What lies before the first core reads no value, so it is not run back.
  void back(const Chunk<R>& chunk) override {
    Ctx& ctx = chunk.ctx;
    seed_output(chunk, chunk.seed);
    set_carry(ctx, carry_);
    through_values_ = {};
    size_t end = ctx.nodes().size();
    for (size_t l = chunk.views.size(); l-- > 0;) {
      const size_t core = chunk.views[l]->ops().core;
      ctx.backward(exact_rules(), core + 1, end);
      read(chunk, l);
      end = core + 1;
    }
    ctx.backward(exact_rules(), end - 1, end);
    carry_ = std::move(ctx.adjoint_out[0]);
  }

  MethodReport finish(const SequenceState* state_in, const TargetReport&) override {
    average_layers(sizes_, map_);
    MethodReport report;
    report.per_dropped_write = static_cast<double>(sizes_.layers);
    const std::string words = "what a layer wrote of that position and the target gained from it";
    append(report.arrays,
           {"core",
            words,
            kTargetUnit,
            {},
            words + "; earlier tokens have left theirs there and every layer counts them again" + kMeanOfLayers},
           std::move(map_));
    if (sizes_.layers > 0)
      report.arrays.front().state = state_dot(state_in, through_values_) / static_cast<double>(sizes_.layers);
    return report;
  }

 private:
  // The core back along its values alone, from what has arrived at its output.
  void read(const Chunk<R>& chunk, size_t l) {
    Ctx& ctx = chunk.ctx;
    const MixerView<R>& view = *chunk.views[l];
    AdjointRules rules = exact_rules();
    rules.path = MixerPath::kValue;
    const std::vector<R> others = set_aside<R>(ctx, view.values());
    std::swap(ctx.adjoint_out[0], through_values_);
    ctx.nodes()[view.ops().core].backward(rules);
    std::swap(ctx.adjoint_out[0], through_values_);
    chunk.store(view.values(), held_by_rows<R>(ctx, view.values()),
                map_.layers.data() + l * static_cast<size_t>(sizes_.T) + chunk.first);
    std::fill_n(ctx.template grad<R>(view.values()), ctx.rows(view.values()) * ctx.cols(view.values()), R(0));
    put_back(ctx, view.values(), others);
  }

  WalkSizes sizes_;
  ScoreMap map_;
  SequenceState carry_, through_values_;
};

}  // namespace

HS_REVERSE_METHOD(row_logit, RowLogit)

}  // namespace hindscan
