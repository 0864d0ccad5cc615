#include "explain/structures/softmax_reads.h"

#include <algorithm>
#include <cmath>

#include "explain/state_change.h"

namespace hindscan {

template <class R>
void SoftmaxReads<R>::add(const SoftmaxDetail<R>& d, const R* dy, int64_t first) {
  const auto copy = [T = d.T](const R* p, int64_t width) { return std::vector<R>(p, p + T * width); };
  pieces_.push_back({first, d.T, copy(d.q, d.heads * d.d), copy(d.y, d.heads * d.d_v), copy(dy, d.heads * d.d_v),
                     copy(d.lse, d.heads)});
  d_ = &d;
  first_ = first;
}

// Of those that the chunk still reads.
template <class R>
typename SoftmaxReads<R>::Rows SoftmaxReads<R>::of_text(int64_t begin, int64_t border) const {
  const int64_t from = std::max(begin, first_ - d_->past), at = d_->past + from - first_;
  return {d_->k + at * key_width(), d_->v + at * value_width(), from, std::max<int64_t>(0, border - from)};
}

template <class R>
typename SoftmaxReads<R>::Rows SoftmaxReads<R>::of_edited(const ChangedRows& rows) const {
  const std::span<const R> k = numbers_of<R>(rows.edited, d_->state), v = numbers_of<R>(rows.edited, d_->value_state);
  const int64_t kept = std::ssize(k) / key_width(), count = std::min(kept, rows.count);
  return {k.data() + (kept - count) * key_width(), v.data() + (kept - count) * value_width(), rows.border - count,
          count};
}

template <class R>
void SoftmaxReads<R>::complete(int64_t t, SequenceState& state) const {
  const int64_t all = first_ - d_->past, kept = d_->window > 0 ? t - d_->window + 1 : all;
  const Rows rows = of_text(std::max(all, kept), t);
  const DType type = sizeof(R) == sizeof(double) ? DType::kF64 : DType::kF32;
  std::copy_n(rows.k, rows.count * key_width(), static_cast<R*>(state.put(d_->state, {rows.count, key_width()}, type)));
  std::copy_n(rows.v, rows.count * value_width(),
              static_cast<R*>(state.put(d_->value_state, {rows.count, value_width()}, type)));
}

template <class R>
void SoftmaxReads<R>::splice(const ChangedRows& changed, int64_t t, SequenceState& state) const {
  const Rows rows = of_edited(changed);
  const auto put = [&](const std::string& slot, const R* from, int64_t width) {
    const std::span<const R> text = numbers_of<R>(state, slot);
    const int64_t kept = std::ssize(text) / width, oldest = t - kept;
    if (changed.border <= oldest) return;
    const int64_t before = std::max<int64_t>(0, changed.begin - oldest), behind = t - changed.border;
    const int64_t count = std::min(rows.count, changed.border - oldest);
    std::vector<R> all(text.begin(), text.begin() + before * width);
    all.insert(all.end(), from + (rows.count - count) * width, from + rows.count * width);
    all.insert(all.end(), text.end() - behind * width, text.end());
    const DType type = sizeof(R) == sizeof(double) ? DType::kF64 : DType::kF32;
    std::copy(all.begin(), all.end(), static_cast<R*>(state.put(slot, {before + count + behind, width}, type)));
  };
  put(d_->state, rows.k, key_width());
  put(d_->value_state, rows.v, value_width());
}

template <class R>
typename SoftmaxReads<R>::Share SoftmaxReads<R>::share(const Piece& piece, int64_t i, int64_t head,
                                                       const Rows& rows) const {
  const SoftmaxDetail<R>& d = *d_;
  const int64_t kv = head / (d.heads / d.kv_heads), t = piece.first + i;
  const R* q = piece.q.data() + (i * d.heads + head) * d.d;
  const R* dy = piece.dy.data() + (i * d.heads + head) * d.d_v;
  Share out;
  for (int64_t j = 0; j < rows.count; ++j) {
    if (d.window > 0 && t - (rows.first + j) >= d.window) continue;
    const R *k = rows.k + (j * d.kv_heads + kv) * d.d, *v = rows.v + (j * d.kv_heads + kv) * d.d_v;
    double score = 0, gain = 0;
    for (int64_t e = 0; e < d.d; ++e) score += static_cast<double>(q[e]) * static_cast<double>(k[e]);
    for (int64_t e = 0; e < d.d_v; ++e) gain += static_cast<double>(dy[e]) * static_cast<double>(v[e]);
    score *= d.scale;
    if (d.soft_cap > 0) score = d.soft_cap * std::tanh(score / d.soft_cap);
    const double weight = std::exp(score - static_cast<double>(piece.lse[static_cast<size_t>(i * d.heads + head)]));
    out.weight += weight;
    out.gain += weight * gain;
  }
  return out;
}

// y' = (y - sum of the old rows + sum of the new ones) / (1 - their weights + the new ones'), in units of the old sum.
template <class R>
double SoftmaxReads<R>::response(const ChangedRows& changed, int64_t from) const {
  constexpr double kLeast = 1e-12;  // of the old sum: a row that had it all is gone
  const Rows old = of_text(changed.begin, changed.border), now = of_edited(changed);
  double sum = 0;
  for (const Piece& piece : pieces_) {
    for (int64_t i = std::max<int64_t>(0, from - piece.first); i < piece.count; ++i) {
      for (int64_t h = 0; h < d_->heads; ++h) {
        const int64_t at = (i * d_->heads + h) * d_->d_v;
        double gain = 0;
        for (int64_t e = at; e < at + d_->d_v; ++e)
          gain += static_cast<double>(piece.dy[static_cast<size_t>(e)]) *
                  static_cast<double>(piece.y[static_cast<size_t>(e)]);
        const Share gone = share(piece, i, h, old), come = share(piece, i, h, now);
        sum += (gain - gone.gain + come.gain) / std::max(kLeast, 1 - gone.weight + come.weight) - gain;
      }
    }
  }
  return sum;
}

template class SoftmaxReads<float>;
template class SoftmaxReads<double>;

}  // namespace hindscan
