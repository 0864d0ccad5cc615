// "gradient-x-input": exact gradient times embedding. Every mixer is run back once per path (value, write, decay, read,
// gate); the parts add up to the exact adjoint of its input, so their shares add up to gradient x input there.
#include <algorithm>
#include <limits>

#include "explain/methods.h"

namespace hindscan {

namespace {

template <class R>
class GradientXInput final : public ReverseMethod<R> {
 public:
  explicit GradientXInput(const WalkSizes& sizes)
      : sizes_(sizes),
        map_(make_map("model", sizes)),
        paths_(static_cast<size_t>(kMixerPaths * sizes.layers * sizes.T), 0.0f),
        selection_(static_cast<size_t>(sizes.T), 0.0) {}

  void back(const Chunk<R>& chunk) override {
    Ctx& ctx = chunk.ctx;
    seed_output(chunk);
    set_carry(ctx, carry_);
    size_t end = ctx.nodes().size();
    for (size_t l = ctx.mixers().size(); l-- > 0;) {
      const MixerScope& scope = ctx.mixers()[l];
      ctx.backward(exact_rules(), scope.last, end);
      split(chunk, scope, l);
      end = scope.first;
    }
    ctx.backward(exact_rules(), 0, end);
    carry_ = std::move(ctx.adjoint_out[0]);
    embedding_scores(chunk, sizes_, map_.scores, adjoint_);
  }

  MethodReport finish(const SequenceState* state_in, double) override {
    MethodReport report;
    report.name = method_name(Method::kGradientXInput);
    report.maps = {std::move(map_)};
    report.sum = sum_of(report.scores());
    report.initial_state_share = state_dot(state_in, carry_);
    for (int p = 0; p < kMixerPaths; ++p)
      report.shares.push_back({mixer_path_name(static_cast<MixerPath>(p + 1)), totals_[p]});
    report.selection = std::move(selection_);
    report.paths = std::move(paths_);
    report.adjoint = std::move(adjoint_);
    return report;
  }

 private:
  static Var first_interior(const Ctx& ctx, const MixerScope& scope) {
    Var first = std::numeric_limits<Var>::max();
    for (size_t i = scope.first; i < scope.last; ++i) first = std::min(first, ctx.nodes()[i].out);
    return first;
  }

  // The mixer back once per path, from the same adjoint of its output.
  void split(const Chunk<R>& chunk, const MixerScope& scope, size_t l) {
    Ctx& ctx = chunk.ctx;
    const size_t n_out = static_cast<size_t>(ctx.rows(scope.out) * ctx.cols(scope.out));
    const size_t n_in = static_cast<size_t>(ctx.rows(scope.in) * ctx.cols(scope.in));
    const R* dy = ctx.template grad<R>(scope.out);
    const std::vector<R> seed(dy, dy + n_out);  // [count, d_model]
    R* du = ctx.template grad<R>(scope.in);
    std::vector<R> total(du, du + n_in);  // [count, d_model]
    const Var interior = first_interior(ctx, scope);
    for (int p = 0; p < kMixerPaths; ++p) {
      AdjointRules rules = exact_rules();
      rules.path = static_cast<MixerPath>(p + 1);
      ctx.clear_grads(interior);
      std::copy(seed.begin(), seed.end(), ctx.template grad<R>(scope.out));
      std::fill_n(du, n_in, R(0));
      ctx.backward(rules, scope.first, scope.last);
      add_path(chunk, scope, l, p, du);
      for (size_t i = 0; i < n_in; ++i) total[i] += du[i];
    }
    std::copy(total.begin(), total.end(), du);
  }

  void add_path(const Chunk<R>& chunk, const MixerScope& scope, size_t l, int p, const R* du) {
    const int64_t C = chunk.ctx.cols(scope.in);
    const R* u = chunk.ctx.template data<R>(scope.in);
    const size_t at = l * static_cast<size_t>(sizes_.T) + static_cast<size_t>(chunk.first);
    float* path = paths_.data() + static_cast<size_t>(p) * static_cast<size_t>(sizes_.layers * sizes_.T) + at;
    for (int64_t t = 0; t < chunk.count; ++t) {
      const double share = row_dot(C, u + t * C, du + t * C);
      path[t] = static_cast<float>(share);
      map_.layers[at + static_cast<size_t>(t)] += static_cast<float>(share);
      totals_[p] += share;
      if (static_cast<MixerPath>(p + 1) != MixerPath::kValue) selection_[static_cast<size_t>(chunk.first + t)] += share;
    }
  }

  WalkSizes sizes_;
  ScoreMap map_;
  std::vector<float> paths_;       // [5, L, T]
  std::vector<double> selection_;  // [T]
  double totals_[kMixerPaths] = {};
  SequenceState carry_;
  std::vector<double> adjoint_;  // [window, d_model]
};

}  // namespace

template <class R>
std::unique_ptr<ReverseMethod<R>> make_gradient_x_input(const WalkSizes& sizes) {
  return std::make_unique<GradientXInput<R>>(sizes);
}
template std::unique_ptr<ReverseMethod<float>> make_gradient_x_input<float>(const WalkSizes&);
template std::unique_ptr<ReverseMethod<double>> make_gradient_x_input<double>(const WalkSizes&);

}  // namespace hindscan
