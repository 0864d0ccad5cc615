// "row": the target's row of every layer's implicit attention. core: mean over maps of alpha[target, :]. mixer: the
// same with convolution, activation slope, norm and gate folded in (arXiv 2405.16504), as the frozen adjoint along that
// chain.
#include <algorithm>
#include <cmath>
#include <optional>

#include "explain/reverse_method.h"

namespace hindscan {

template <class R>
RowScan<R>::RowScan(const WalkSizes& sizes)
    : sizes_(sizes), layers_(static_cast<size_t>(sizes.layers)), map_(make_map(sizes)) {}

// What the row has to explain: the output at the target, less the skip.
template <class R>
void RowScan<R>::start(const Chunk<R>& chunk, const MixerView<R>& view, const std::vector<R>& weights,
                       Layer& layer) const {
  const int64_t D = view.channels();
  layer.missing.assign(static_cast<size_t>(D), 0.0);
  view.weighted_output(weights.data(), layer.missing.data());
  const OpNode* skip = view.ops().skip == MixerOps::npos ? nullptr : &chunk.ctx.nodes()[view.ops().skip];
  if (skip != nullptr && skip->in.size() == 2) {  // base + D x, D per channel or per head
    const Weight& d = *skip->weights[0];
    const R *y = chunk.ctx.template data<R>(skip->out), *x = chunk.ctx.template data<R>(skip->in[1]);
    std::fill(layer.missing.begin(), layer.missing.end(), 0.0);
    std::vector<double> total(layer.missing.size(), 0.0);  // [channels] the explained output, skip included
    for (size_t i = 0; i < weights.size() * static_cast<size_t>(D); ++i) {
      const size_t c = i % static_cast<size_t>(D);
      const double w = static_cast<double>(weights[i / static_cast<size_t>(D)]);
      if (w == 0) continue;
      total[c] += w * static_cast<double>(y[i]);
      const double through = static_cast<double>(d.as<R>()[c / static_cast<size_t>(D / d.size())]) * x[i];
      layer.missing[c] += w * (static_cast<double>(y[i]) - through);
    }
    for (double v : total) layer.norm += v * v;
    return;
  }
  for (double v : layer.missing) layer.norm += v * v;
}

template <class R>
void RowScan<R>::back(const Chunk<R>& chunk) {
  for (size_t l = 0; l < chunk.views.size(); ++l) {
    const MixerView<R>& view = *chunk.views[l];
    Layer& layer = layers_[l];
    const int64_t M = view.maps();
    const std::vector<R> weights = chunk.weights(view.values());
    if (!weights.empty()) start(chunk, view, weights, layer);
    scratch_.resize(static_cast<size_t>(view.tokens() * M));  // [tokens, maps]
    view.row(weights.empty() ? nullptr : weights.data(), layer.carry, scratch_.data(), layer.missing.data());
    std::vector<double> mean(static_cast<size_t>(view.tokens()));
    for (int64_t t = 0; t < view.tokens(); ++t) {
      double sum = 0;
      for (int64_t m = 0; m < M; ++m) sum += static_cast<double>(scratch_[static_cast<size_t>(t * M + m)]);
      mean[static_cast<size_t>(t)] = sum / static_cast<double>(M);
    }
    chunk.store(view.values(), std::move(mean), map_.layers.data() + l * static_cast<size_t>(sizes_.T) + chunk.first);
    if (chunk.first > 0) continue;
    std::vector<double> carried(layer.missing.size(), 0.0);  // [channels]
    view.add_carried_in(layer.carry, carried.data());
    for (size_t d = 0; d < carried.size(); ++d) layer.missing[d] -= carried[d];
  }
  if (chunk.first == 0) average_layers(sizes_, map_);
}

template <class R>
std::vector<double> RowScan<R>::residuals() const {
  std::vector<double> out;
  for (const Layer& layer : layers_) {
    double error = 0;
    for (double r : layer.missing) error += r * r;
    out.push_back(error == 0 ? 0 : std::sqrt(error / layer.norm));
  }
  return out;
}

namespace {

template <class R>
class Row final : public ReverseMethod<R> {
 public:
  explicit Row(const MethodContext<R>& context)
      : sizes_(context.sizes),
        core_(context.core),
        carries_(static_cast<size_t>(sizes_.layers)),
        mixer_(make_map(sizes_)) {
    if (context.spec.option("estimator") == "exact") return;
    check(std::any_of(context.views.begin(), context.views.end(), [](const auto& v) { return v->has_key_dropping(); }),
          ErrorCode::kUsage,
          "[explain] expected a layer with a rank-1 transition for the key-dropping estimator, found none: the maps of "
          "this model are exact without it");
    dropping_.emplace(sizes_);
  }

  void back(const Chunk<R>& chunk) override {
    Ctx& ctx = chunk.ctx;
    if (dropping_) dropping_->back(chunk, mixer_views<R>(ctx, Estimator::kKeyDropping));
    for (size_t l = 0; l < chunk.views.size(); ++l) {
      const MixerOps& ops = chunk.views[l]->ops();
      const int64_t T = ctx.rows(ops.result), D = ctx.cols(ops.result);
      const std::vector<R> weights = chunk.weights(ops.result);
      set_carry(ctx, carries_[l]);
      ctx.clear_grads();
      R* seed = ctx.template grad<R>(ops.result);  // [tokens, D]
      for (int64_t i = 0; !weights.empty() && i < T * D; ++i)
        seed[i] = weights[static_cast<size_t>(i / D)] / static_cast<R>(D * chunk.views[l]->writes());
      for (size_t i = ops.after.size(); i-- > 0;) chain_backward<R>(ctx, ctx.nodes()[ops.after[i]]);
      chain_backward<R>(ctx, ctx.nodes()[ops.core]);
      for (size_t i = ops.before.size(); i-- > 0;) chain_backward<R>(ctx, ctx.nodes()[ops.before[i]]);
      carries_[l] = std::move(ctx.adjoint_out[0]);
      store(chunk, l, ops.source);
    }
  }

  MethodReport finish(const SequenceState*, const TargetReport&) override {
    average_layers(sizes_, mixer_);
    MethodReport report;
    if (dropping_) dropping_->add_to(report);
    append(report.arrays, {"core", "what the recurrence alone reads", kWeightUnit}, core_.map());
    append(report.arrays, {"mixer", "the same with convolution, norm and gate around it", kWeightUnit},
           std::move(mixer_));
    return report;
  }

 private:
  void store(const Chunk<R>& chunk, size_t l, Var source) {
    const R* dx = chunk.ctx.template grad<R>(source);
    const int64_t C = chunk.ctx.cols(source);
    std::vector<double> rows(static_cast<size_t>(chunk.ctx.rows(source)));
    for (size_t t = 0; t < rows.size(); ++t) {
      double sum = 0;
      for (int64_t c = 0; c < C; ++c) sum += static_cast<double>(dx[static_cast<int64_t>(t) * C + c]);
      rows[t] = sum;
    }
    chunk.store(source, std::move(rows), mixer_.layers.data() + l * static_cast<size_t>(sizes_.T) + chunk.first);
  }

  WalkSizes sizes_;
  const RowScan<R>& core_;
  std::optional<KeyDroppingScan<R>> dropping_;
  std::vector<SequenceState> carries_;  // per layer
  ScoreMap mixer_;
};

}  // namespace

template class RowScan<float>;
template class RowScan<double>;

HS_REVERSE_METHOD(row, Row)

}  // namespace hindscan
