// "gradient-x-input": exact gradient times embedding (behind a norm that alone reads it: times the normed one). Every
// mixer is run back once per path (value, write, decay, read, gate); the parts add up to the exact adjoint of its
// input, so their shares add up to gradient x input there.
#include <algorithm>
#include <limits>

#include "explain/reverse_method.h"

namespace hindscan {

namespace {

template <class R>
class GradientXInput final : public ReverseMethod<R> {
 public:
  explicit GradientXInput(const MethodContext<R>& context)
      : sizes_(context.sizes), map_(make_map(sizes_)), selection_(static_cast<size_t>(sizes_.T), 0.0) {
    for (std::vector<float>& path : paths_) path.assign(map_.layers.size(), 0.0f);
  }

  void back(const Chunk<R>& chunk) override {
    Ctx& ctx = chunk.ctx;
    seed_output(chunk, chunk.seed);
    set_carry(ctx, carry_);
    size_t end = ctx.nodes().size();
    for (size_t m = ctx.mixers().size(); m-- > 0;) {
      const MixerScope& scope = ctx.mixers()[m];
      const size_t l = layer_of_scope(chunk.views, m);
      if (l == MixerOps::npos) continue;
      ctx.backward(exact_rules(), scope.last, end);
      split(chunk, scope, l);
      end = scope.first;
    }
    ctx.backward(exact_rules(), 0, end);
    carry_ = std::move(ctx.adjoint_out[0]);
    embedding_scores(chunk, sizes_, map_.scores, adjoint_);
    after_norm(chunk);
  }

  MethodReport finish(const SequenceState* state_in, const TargetReport&) override {
    MethodReport report;
    add_scores(report);
    report.arrays.front().state = state_dot(state_in, carry_);
    const std::string whole = report.arrays.front().name;
    report.arrays.push_back(token_array(
        {"selection", "through write, decay, read and gate, over all layers", kTargetUnit}, std::move(selection_)));
    for (int p = 0; p < kMixerPaths; ++p) {
      const std::string path = mixer_path_name(static_cast<MixerPath>(p + 1));
      report.shares.push_back({path, totals_[p]});
      report.arrays.push_back(layer_array({path + "-path", "through the " + path + " path", kTargetUnit, whole},
                                          std::move(paths_[p]), static_cast<size_t>(sizes_.T)));
    }
    report.adjoint = std::move(adjoint_);
    return report;
  }

 private:
  void add_scores(MethodReport& report) {
    const ArrayName model{"model", "the exact gradient of the whole model", kTargetUnit, {}, kHeldByLayers};
    if (normed_.empty()) {
      append(report.arrays, model, std::move(map_));
    } else {
      append(report.arrays,
             {"after-norm", "the same of the embeddings behind the first norm", kTargetUnit, {}, kHeldByLayers},
             {std::move(normed_), std::move(map_.layers)});
      report.arrays.push_back(token_array(model, std::move(map_.scores)));
      report.label = "scores taken behind the first norm: before it they are near zero by construction";
    }
    for (ScoreArray& a : report.arrays) a.has_adjoint = a.by_token();
  }

  static Var first_interior(const Ctx& ctx, const MixerScope& scope) {
    Var first = std::numeric_limits<Var>::max();
    for (size_t i = scope.first; i < scope.last; ++i) first = std::min(first, ctx.nodes()[i].out);
    return first;
  }

  // What other layers read of the mixer's inside and sent back: part of the value path, since no core lies between.
  struct Outside {
    Var v;
    std::vector<R> adjoint;
  };
  static std::vector<Outside> from_outside(Ctx& ctx, const MixerScope& scope) {
    std::vector<Outside> out;
    for (size_t i = scope.first; i < scope.last; ++i) {
      const Var v = ctx.nodes()[i].out;
      if (v == scope.out || !ctx.has_grad(v)) continue;
      const R* dv = ctx.template grad<R>(v);
      out.push_back({v, {dv, dv + ctx.rows(v) * ctx.cols(v)}});
    }
    return out;
  }

  // The mixer back once per path, from the same adjoint of its output.
  void split(const Chunk<R>& chunk, const MixerScope& scope, size_t l) {
    Ctx& ctx = chunk.ctx;
    const size_t n_out = static_cast<size_t>(ctx.rows(scope.out) * ctx.cols(scope.out));
    const size_t n_in = static_cast<size_t>(ctx.rows(scope.in) * ctx.cols(scope.in));
    const R* dy = ctx.template grad<R>(scope.out);
    const std::vector<R> seed(dy, dy + n_out);  // [rows, d_model]
    R* du = ctx.template grad<R>(scope.in);
    std::vector<R> total(du, du + n_in);  // [rows, d_model]
    const std::vector<Outside> outside = from_outside(ctx, scope);
    const Var interior = first_interior(ctx, scope);
    for (int p = 0; p < kMixerPaths; ++p) {
      AdjointRules rules = exact_rules();
      rules.path = static_cast<MixerPath>(p + 1);
      ctx.clear_grads(interior);
      std::copy(seed.begin(), seed.end(), ctx.template grad<R>(scope.out));
      if (rules.path == MixerPath::kValue) {
        for (const Outside& o : outside) std::copy(o.adjoint.begin(), o.adjoint.end(), ctx.template grad<R>(o.v));
      }
      std::fill_n(du, n_in, R(0));
      ctx.backward(rules, scope.first, scope.last);
      add_path(chunk, scope, l, p, du);
      for (size_t i = 0; i < n_in; ++i) total[i] += du[i];
    }
    std::copy(total.begin(), total.end(), du);
  }

  void add_path(const Chunk<R>& chunk, const MixerScope& scope, size_t l, int p, const R* du) {
    const int64_t C = chunk.ctx.cols(scope.in), T = chunk.ctx.rows(scope.in);
    const R* u = chunk.ctx.template data<R>(scope.in);
    std::vector<double> rows(static_cast<size_t>(T));
    for (int64_t t = 0; t < T; ++t) {
      rows[static_cast<size_t>(t)] = row_dot(C, u + t * C, du + t * C);
      totals_[p] += rows[static_cast<size_t>(t)];
    }
    rows = chunk.orders.move(scope.in, chunk.orders.text(), std::move(rows));
    const size_t at = l * static_cast<size_t>(sizes_.T) + static_cast<size_t>(chunk.first);
    float* path = paths_[p].data() + at;
    for (size_t t = 0; t < rows.size(); ++t) {
      path[t] = static_cast<float>(rows[t]);
      map_.layers[at + t] += static_cast<float>(rows[t]);
      if (static_cast<MixerPath>(p + 1) != MixerPath::kValue)
        selection_[static_cast<size_t>(chunk.first) + t] += rows[t];
    }
  }

  void after_norm(const Chunk<R>& chunk) {
    const Var n = normed_input(chunk.ctx);
    if (n == kNoVar) return;
    normed_.resize(static_cast<size_t>(sizes_.T), 0.0);
    const int64_t C = chunk.ctx.cols(n);
    const R *x = chunk.ctx.template data<R>(n), *dx = chunk.ctx.template grad<R>(n);  // [count, d_model]
    for (int64_t t = 0; t < chunk.count; ++t)
      normed_[static_cast<size_t>(chunk.first + t)] = row_dot(C, x + t * C, dx + t * C);
  }

  WalkSizes sizes_;
  ScoreMap map_;
  std::vector<double> normed_;  // [T] scores of what a norm makes of the embeddings, where that is all that is read
  std::vector<float> paths_[kMixerPaths];  // [L, T] each
  std::vector<double> selection_;          // [T]
  double totals_[kMixerPaths] = {};
  SequenceState carry_;
  std::vector<double> adjoint_;  // [window, d_model]
};

}  // namespace

HS_REVERSE_METHOD(gradient_x_input, GradientXInput)

}  // namespace hindscan
