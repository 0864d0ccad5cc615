#include "explain/stream_gradients.h"

#include <algorithm>
#include <cmath>

namespace hindscan {
namespace {

template <class R>
double mean(const R* row, int64_t C) {
  double sum = 0;
  for (int64_t c = 0; c < C; ++c) sum += static_cast<double>(row[c]);
  return sum / static_cast<double>(C);
}

// At least zero; a NaN stays one.
template <class R>
double largest(const R* row, int64_t C) {
  double out = 0;
  for (int64_t c = 0; c < C && !std::isnan(out); ++c) out = std::max(static_cast<double>(row[c]), out);
  return out;
}

}  // namespace

template <class R>
StreamGradients<R>::StreamGradients(const WalkSizes& sizes, Around around)
    : around_(around),
      numbers_(static_cast<size_t>(sizes.layers), std::vector<double>(static_cast<size_t>(sizes.T), 0.0)) {}

template <class R>
void StreamGradients<R>::back(const Chunk<R>& chunk) {
  Ctx& ctx = chunk.ctx;
  back_exactly(chunk, carry_);
  for (size_t l = 0; l < chunk.views.size(); ++l) {
    const MixerView<R>& view = *chunk.views[l];
    const bool gated = around_ == Around::kGated;
    const Var v = gated ? view.ops().result : ctx.mixers()[view.mixer].out;
    const R* dv = ctx.template grad<R>(v);  // [tokens, C]
    const int64_t C = ctx.cols(v);
    std::vector<double> rows(static_cast<size_t>(ctx.rows(v)));
    for (size_t t = 0; t < rows.size(); ++t) {
      const R* row = dv + static_cast<int64_t>(t) * C;
      rows[t] = gated ? mean(row, C) : largest(row, C);
    }
    rows = chunk.orders.move(v, chunk.orders.text(), std::move(rows));
    std::copy_n(rows.begin(), chunk.count, numbers_[l].begin() + chunk.first);
  }
}

template class StreamGradients<float>;
template class StreamGradients<double>;

}  // namespace hindscan
