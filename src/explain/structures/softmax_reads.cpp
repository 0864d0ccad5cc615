#include "explain/structures/softmax_reads.h"

#include <algorithm>
#include <cmath>

#include "explain/state_change.h"
#include "kernels/gemm.h"
#include "kernels/pointwise.h"

namespace hindscan {

template <class R>
void SoftmaxReads<R>::add(const SoftmaxDetail<R>& d, const R* dy, int64_t first) {
  const auto copy = [T = d.T](const R* p, int64_t width) { return std::vector<R>(p, p + T * width); };
  Piece piece{first, d.T, copy(d.q, d.heads * d.d), copy(dy, d.heads * d.d_v), copy(d.lse, d.heads), {}};
  for (int64_t i = 0; i < d.T * d.heads; ++i) {
    double gain = 0;
    for (int64_t e = i * d.d_v; e < (i + 1) * d.d_v; ++e)
      gain += static_cast<double>(dy[e]) * static_cast<double>(d.y[e]);
    piece.gain.push_back(static_cast<R>(gain));
  }
  if (pieces_.empty() && d.window == 0) {
    k_.assign(d.k, d.k + (d.past + d.T) * d.kv_heads * d.d);
    v_.assign(d.v, d.v + (d.past + d.T) * d.kv_heads * d.d_v);
    cached_ = d.past - first;
  }
  pieces_.push_back(std::move(piece));
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
constexpr DType kTypeOf = sizeof(R) == sizeof(double) ? DType::kF64 : DType::kF32;

template <class R>
void SoftmaxReads<R>::put(SequenceState& state, const SequenceState::SharedRows& rows, const Rows& own) const {
  SequenceState::SharedRows keys = rows, values = rows;
  keys.data = k_.data();
  values.data = v_.data();
  state.put_behind(d_->state, keys, key_width(), kTypeOf<R>, own.count, own.k);
  state.put_behind(d_->value_state, values, value_width(), kTypeOf<R>, own.count, own.v);
}

template <class R>
void SoftmaxReads<R>::complete(int64_t t, SequenceState& state) const {
  if (d_->window == 0) return put(state, {nullptr, cached_ + t}, {nullptr, nullptr, t, 0});
  const Rows rows = of_text(std::max(first_ - d_->past, t - d_->window + 1), t);
  std::copy_n(rows.k, rows.count * key_width(),
              static_cast<R*>(state.put(d_->state, {rows.count, key_width()}, kTypeOf<R>)));
  std::copy_n(rows.v, rows.count * value_width(),
              static_cast<R*>(state.put(d_->value_state, {rows.count, value_width()}, kTypeOf<R>)));
}

template <class R>
void SoftmaxReads<R>::splice(const ChangedRows& changed, int64_t t, SequenceState& state) const {
  if (d_->window > 0) return splice_window(changed, t, state);
  put(state, {nullptr, cached_ + t, cached_ + changed.begin, cached_ + changed.border}, of_edited(changed));
}

template <class R>
void SoftmaxReads<R>::splice_window(const ChangedRows& changed, int64_t t, SequenceState& state) const {
  const Rows rows = of_edited(changed);
  const auto put_rows = [&](const std::string& slot, const R* from, int64_t width) {
    const std::span<const R> text = numbers_of<R>(state, slot);
    const int64_t kept = std::ssize(text) / width, oldest = t - kept;
    if (changed.border <= oldest) return;
    const int64_t before = std::max<int64_t>(0, changed.begin - oldest), behind = t - changed.border;
    const int64_t count = std::min(rows.count, changed.border - oldest);
    std::vector<R> all(text.begin(), text.begin() + before * width);
    all.insert(all.end(), from + (rows.count - count) * width, from + rows.count * width);
    all.insert(all.end(), text.end() - behind * width, text.end());
    std::copy(all.begin(), all.end(), static_cast<R*>(state.put(slot, {before + count + behind, width}, kTypeOf<R>)));
  };
  put_rows(d_->state, rows.k, key_width());
  put_rows(d_->value_state, rows.v, value_width());
}

template <class R>
std::vector<R> SoftmaxReads<R>::stacked(const R* old, int64_t olds, const R* now, int64_t news, int64_t width) const {
  std::vector<R> rows(old, old + olds * width);
  rows.insert(rows.end(), now, now + news * width);
  return rows;
}

template <class R>
void SoftmaxReads<R>::read_rows(const Piece& piece, int64_t begin, int64_t head, const std::vector<R>& k,
                                const std::vector<R>& v, std::vector<R>& weights, std::vector<R>& gains) const {
  const SoftmaxDetail<R>& d = *d_;
  const int64_t kv = head / (d.heads / d.kv_heads), tokens = piece.count - begin, rows = std::ssize(k) / key_width();
  const int64_t at = begin * d.heads + head;
  weights.resize(static_cast<size_t>(tokens * rows));
  gains.resize(weights.size());
  kernels::gemm({tokens, rows, d.d, false, true}, piece.q.data() + at * d.d, d.heads * d.d, k.data() + kv * d.d,
                key_width(), R(0), weights.data(), rows);
  kernels::gemm({tokens, rows, d.d_v, false, true}, piece.dy.data() + at * d.d_v, d.heads * d.d_v,
                v.data() + kv * d.d_v, value_width(), R(0), gains.data(), rows);
  for (int64_t i = 0; i < tokens; ++i) {
    const R lse = piece.lse[static_cast<size_t>(at + i * d.heads)];
    for (R* w = weights.data() + i * rows; w < weights.data() + (i + 1) * rows; ++w) {
      *w *= static_cast<R>(d.scale);
      if (d.soft_cap > 0) *w = static_cast<R>(d.soft_cap) * std::tanh(*w / static_cast<R>(d.soft_cap));
      *w -= lse;
    }
  }
  kernels::neg_exp(tokens * rows, weights.data(), weights.data());
}

// y' = (y - sum of the old rows + sum of the new ones) / (1 - their weights + the new ones').
template <class R>
double SoftmaxReads<R>::response(const ChangedRows& changed, int64_t from) const {
  constexpr double kLeast = 1e-12;  // of the old sum: a row that had it all is gone
  const Rows old = of_text(changed.begin, changed.border), now = of_edited(changed);
  const std::vector<R> k = stacked(old.k, old.count, now.k, now.count, key_width());
  const std::vector<R> v = stacked(old.v, old.count, now.v, now.count, value_width());
  const int64_t rows = old.count + now.count;
  std::vector<R> weights, gains;  // weights are negative
  double sum = 0;
  for (const Piece& piece : pieces_) {
    const int64_t begin = std::max<int64_t>(0, from - piece.first);
    for (int64_t h = 0; begin < piece.count && h < d_->heads; ++h) {
      read_rows(piece, begin, h, k, v, weights, gains);
      for (int64_t i = begin; i < piece.count; ++i) {
        double weight = 1, gain = 0;
        for (int64_t j = 0; j < rows; ++j) {
          const bool gone = j < old.count;
          if (!sees(piece.first + i, gone ? old.first + j : now.first + j - old.count)) continue;
          const size_t at = static_cast<size_t>((i - begin) * rows + j);
          const double w = static_cast<double>(gone ? weights[at] : -weights[at]);
          weight += w;
          gain += w * static_cast<double>(gains[at]);
        }
        const double before = static_cast<double>(piece.gain[static_cast<size_t>(i * d_->heads + h)]);
        sum += (before + gain) / std::max(kLeast, weight) - before;
      }
    }
  }
  return sum;
}

template class SoftmaxReads<float>;
template class SoftmaxReads<double>;

}  // namespace hindscan
