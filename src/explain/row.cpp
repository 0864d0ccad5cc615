// "row": the target's row of every layer's implicit attention. core: channel mean of alpha[target, :]. mixer: the same
// with convolution, activation slope and gate folded in (arXiv 2405.16504), as the frozen adjoint of the gated output.
#include <algorithm>
#include <cmath>

#include "explain/methods.h"

namespace hindscan {

template <class R>
RowScan<R>::RowScan(const WalkSizes& sizes)
    : sizes_(sizes), layers_(static_cast<size_t>(sizes.layers)), map_(make_map("core", sizes)) {}

// What the row has to explain: the output at the target, less the skip.
template <class R>
void RowScan<R>::start(const Chunk<R>& chunk, const MixerView<R>& view, Layer& layer) const {
  const int64_t D = view.channels(), at = chunk.target_row * D;
  layer.carry.assign(view.carry_size(), R(0));
  layer.missing.assign(static_cast<size_t>(D), 0.0);
  const bool skip = view.ops().skip != MixerOps::npos;
  const OpNode* node = skip ? &chunk.ctx.nodes()[view.ops().skip] : nullptr;
  const R* y = (skip ? chunk.ctx.template data<R>(node->out) : view.output()) + at;
  for (int64_t d = 0; d < D; ++d) {
    double value = static_cast<double>(y[d]);
    layer.norm += value * value;
    if (skip)
      value -=
          static_cast<double>(node->weights[0]->template as<R>()[d]) * chunk.ctx.template data<R>(node->in[1])[at + d];
    layer.missing[static_cast<size_t>(d)] = value;
  }
}

template <class R>
void RowScan<R>::back(const Chunk<R>& chunk) {
  for (size_t l = 0; l < chunk.views.size(); ++l) {
    const MixerView<R>& view = *chunk.views[l];
    Layer& layer = layers_[l];
    const int64_t D = view.channels();
    if (chunk.target_row >= 0) start(chunk, view, layer);
    scratch_.resize(static_cast<size_t>(chunk.count * D));  // [count, D]
    view.row(chunk.target_row, layer.carry.data(), scratch_.data());
    for (int64_t t = 0; t < chunk.count; ++t) {
      double sum = 0;
      for (int64_t d = 0; d < D; ++d) {
        const double alpha = static_cast<double>(scratch_[static_cast<size_t>(t * D + d)]);
        sum += alpha;
        layer.missing[static_cast<size_t>(d)] -= alpha * static_cast<double>(view.values()[t * D + d]);
      }
      map_.layers[l * static_cast<size_t>(sizes_.T) + static_cast<size_t>(chunk.first + t)] =
          static_cast<float>(sum / static_cast<double>(D));
    }
    if (chunk.first > 0) continue;
    std::vector<double> carried(static_cast<size_t>(D), 0.0);  // [D]
    view.add_carried_in(layer.carry.data(), carried.data());
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
  Row(const WalkSizes& sizes, const RowScan<R>& core) : sizes_(sizes), core_(core), mixer_(make_map("mixer", sizes)) {}

  void back(const Chunk<R>& chunk) override {
    Ctx& ctx = chunk.ctx;
    AdjointRules rules = frozen_rules();
    rules.skip = false;
    set_carry(ctx, carry_);
    for (size_t l = 0; l < chunk.views.size(); ++l) {
      const MixerOps& ops = chunk.views[l]->ops();
      const size_t first = ops.conv != MixerOps::npos ? ops.conv : ops.core;
      const size_t last = ops.gate != MixerOps::npos ? ops.gate : ops.skip != MixerOps::npos ? ops.skip : ops.core;
      const Var out = ctx.nodes()[last].out;
      const Var in = ops.conv != MixerOps::npos ? ctx.nodes()[first].in[0] : ctx.nodes()[first].in[2];
      ctx.clear_grads();
      const int64_t D = ctx.cols(out);
      R* seed = ctx.template grad<R>(out);  // [count, D]
      if (chunk.target_row >= 0) std::fill_n(seed + chunk.target_row * D, D, R(1) / static_cast<R>(D));
      ctx.backward(rules, first, last + 1);
      store(chunk, l, ctx.template grad<R>(in), ctx.cols(in));
    }
    carry_ = std::move(ctx.adjoint_out[0]);
  }

  MethodReport finish(const SequenceState*, double) override {
    average_layers(sizes_, mixer_);
    MethodReport report;
    report.name = method_name(Method::kRow);
    report.maps = {core_.map(), std::move(mixer_)};
    report.sum = sum_of(report.scores());
    return report;
  }

 private:
  void store(const Chunk<R>& chunk, size_t l, const R* dx, int64_t C) {
    float* row = mixer_.layers.data() + l * static_cast<size_t>(sizes_.T) + chunk.first;
    for (int64_t t = 0; t < chunk.count; ++t) {
      double sum = 0;
      for (int64_t c = 0; c < C; ++c) sum += static_cast<double>(dx[t * C + c]);
      row[t] = static_cast<float>(sum);
    }
  }

  WalkSizes sizes_;
  const RowScan<R>& core_;
  ScoreMap mixer_;
  SequenceState carry_;
};

}  // namespace

template <class R>
std::unique_ptr<ReverseMethod<R>> make_row(const WalkSizes& sizes, const RowScan<R>& core) {
  return std::make_unique<Row<R>>(sizes, core);
}

template class RowScan<float>;
template class RowScan<double>;
template std::unique_ptr<ReverseMethod<float>> make_row<float>(const WalkSizes&, const RowScan<float>&);
template std::unique_ptr<ReverseMethod<double>> make_row<double>(const WalkSizes&, const RowScan<double>&);

}  // namespace hindscan
