#include "explain/structures/softmax_reads.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "explain/state_change.h"
#include "kernels/gemm.h"
#include "kernels/pointwise.h"

namespace hindscan {

// Rows that edits of the same neighbourhood take away, each once, and bring; what one head makes of them.
template <class R>
struct SoftmaxReads<R>::Batch {
  struct Row {
    int64_t token, at;  // of the text; row of k
  };
  struct OfEdit {
    std::vector<Row> gone, come;
    int64_t border;
  };
  std::vector<OfEdit> edits;
  std::vector<R> k, v;            // [rows, kv_heads*d], [rows, kv_heads*d_v]
  std::vector<R> weights, gains;  // [rows, tokens]: -exp(score - lse), that times what the target gains from the value
  std::vector<R> weight, gain;    // [tokens], of one edit: of all its rows

  int64_t add(const R* key, int64_t key_width, const R* value, int64_t value_width) {
    k.insert(k.end(), key, key + key_width);
    v.insert(v.end(), value, value + value_width);
    return std::ssize(k) / key_width - 1;
  }
};

template <class R>
void SoftmaxReads<R>::add(const SoftmaxDetail<R>& d, const R* dy, int64_t first) {
  Piece piece{first, d.T, {d.q, d.q + d.T * d.heads * d.d}, {dy, dy + d.T * d.heads * d.d_v}, {}, {}};
  for (int64_t h = 0; h < d.heads; ++h) {
    for (int64_t t = 0; t < d.T; ++t) {
      double gain = 0;
      const int64_t i = t * d.heads + h;
      for (int64_t e = i * d.d_v; e < (i + 1) * d.d_v; ++e)
        gain += static_cast<double>(dy[e]) * static_cast<double>(d.y[e]);
      piece.gain.push_back(static_cast<R>(gain));
      piece.lse.push_back(d.lse[i]);
    }
  }
  if (k_.empty()) {
    k_.assign(d.k, d.k + (d.past + d.T) * d.kv_heads * d.d);
    v_.assign(d.v, d.v + (d.past + d.T) * d.kv_heads * d.d_v);
    kept_first_ = first - d.past;
    kept_chunk_ = first;
  }
  if (d.window > 0) std::erase_if(pieces_, [&](const Piece& p) { return p.first >= first + d.T + d.window; });
  pieces_.push_back(std::move(piece));
  d_ = &d;
  first_ = first;
}

template <class R>
typename SoftmaxReads<R>::Rows SoftmaxReads<R>::of_text() const {
  if (d_->window == 0 || first_ == kept_chunk_) return kept_rows();
  return {d_->k, d_->v, first_ - d_->past, d_->past + d_->T};
}

template <class R>
typename SoftmaxReads<R>::Rows SoftmaxReads<R>::of_edited(const ChangedRows& rows) const {
  const std::span<const R> k = numbers_of<R>(*rows.edited, d_->state), v = numbers_of<R>(*rows.edited, d_->value_state);
  const int64_t kept = std::ssize(k) / key_width(), count = std::min(kept, rows.count);
  return {k.data() + (kept - count) * key_width(), v.data() + (kept - count) * value_width(), rows.border - count,
          count};
}

template <class R>
void SoftmaxReads<R>::put(SequenceState& state, const Rows& text, int64_t t, int64_t gap_begin, int64_t gap_end,
                          const Rows& own) const {
  constexpr DType kType = sizeof(R) == sizeof(double) ? DType::kF64 : DType::kF32;
  const auto at = [&](int64_t token) { return std::max<int64_t>(0, token - text.first); };
  const SequenceState::SharedRows keys{text.k, at(t), at(gap_begin), at(gap_end)};
  SequenceState::SharedRows values = keys;
  values.data = text.v;
  state.put_behind(d_->state, keys, key_width(), kType, own.count, own.k);
  state.put_behind(d_->value_state, values, value_width(), kType, own.count, own.v);
}

template <class R>
void SoftmaxReads<R>::complete(int64_t t, SequenceState& state) const {
  const Rows text = of_text();
  put(state, text, t, text.first, text.first, {});
}

template <class R>
bool SoftmaxReads<R>::splice(const ChangedRows& changed, int64_t t, int64_t end, SequenceState& state) const {
  if (!sees(t, changed.border - 1)) return true;
  if (!sees(end - 1, std::min(changed.begin, changed.border - changed.count))) return false;
  put(state, kept_rows(), t, changed.begin, changed.border, of_edited(changed));
  return true;
}

template <class R>
typename SoftmaxReads<R>::Batch SoftmaxReads<R>::batch(std::span<const ChangedRows> edits) const {
  const Rows text = of_text();
  Batch out;
  std::vector<int64_t> rows(static_cast<size_t>(text.count), -1);  // of k, by row of the text
  for (const ChangedRows& edit : edits) {
    typename Batch::OfEdit& e = out.edits.emplace_back();
    e.border = edit.border;
    for (int64_t t = std::max(edit.begin, text.first); t < edit.border; ++t) {
      int64_t& row = rows[static_cast<size_t>(t - text.first)];
      if (row < 0)
        row = out.add(text.k + (t - text.first) * key_width(), key_width(), text.v + (t - text.first) * value_width(),
                      value_width());
      e.gone.push_back({t, row});
    }
    const Rows own = of_edited(edit);
    for (int64_t j = 0; j < own.count; ++j)
      e.come.push_back(
          {own.first + j, out.add(own.k + j * key_width(), key_width(), own.v + j * value_width(), value_width())});
  }
  return out;
}

template <class R>
void SoftmaxReads<R>::weigh(const Piece& piece, int64_t begin, int64_t end, int64_t head, Batch& b) const {
  const SoftmaxDetail<R>& d = *d_;
  const int64_t kv = head / (d.heads / d.kv_heads), tokens = end - begin, rows = std::ssize(b.k) / key_width();
  const int64_t at = begin * d.heads + head;
  b.weights.resize(static_cast<size_t>(rows * tokens));
  b.gains.resize(b.weights.size());
  kernels::gemm({rows, tokens, d.d, false, true}, b.k.data() + kv * d.d, key_width(), piece.q.data() + at * d.d,
                d.heads * d.d, R(0), b.weights.data(), tokens);
  kernels::gemm({rows, tokens, d.d_v, false, true}, b.v.data() + kv * d.d_v, value_width(),
                piece.dy.data() + at * d.d_v, d.heads * d.d_v, R(0), b.gains.data(), tokens);
  const R* lse = piece.lse.data() + head * piece.count + begin;
  for (int64_t j = 0; j < rows; ++j) {
    R* w = b.weights.data() + j * tokens;
    for (int64_t i = 0; i < tokens; ++i) w[i] *= static_cast<R>(d.scale);
    if (d.soft_cap > 0) {
      const R cap = static_cast<R>(d.soft_cap);
      for (int64_t i = 0; i < tokens; ++i) w[i] = cap * std::tanh(w[i] / cap);
    }
    for (int64_t i = 0; i < tokens; ++i) w[i] -= lse[i];
  }
  kernels::neg_exp(rows * tokens, b.weights.data(), b.weights.data());
  for (size_t i = 0; i < b.weights.size(); ++i) b.gains[i] *= b.weights[i];
}

// y' = (y - sum of the old rows + sum of the new ones) / (1 - their weights + the new ones').
template <class R>
double SoftmaxReads<R>::response(const Piece& piece, int64_t begin, int64_t end, int64_t head, size_t edit,
                                 Batch& b) const {
  constexpr R kLeast = 16 * std::numeric_limits<R>::epsilon();  // of the old sum: a row that had it all is gone
  const typename Batch::OfEdit& e = b.edits[edit];
  const int64_t tokens = end - begin, from = std::max<int64_t>(0, e.border - piece.first - begin);
  if (from >= tokens) return 0;
  b.weight.assign(static_cast<size_t>(tokens), R(0));
  b.gain.assign(static_cast<size_t>(tokens), R(0));
  const auto add = [&](const std::vector<typename Batch::Row>& rows, R sign) {
    for (const auto& row : rows) {
      const int64_t last = d_->window == 0 ? tokens : std::min(tokens, row.token + d_->window - piece.first - begin);
      const R *w = b.weights.data() + row.at * tokens, *g = b.gains.data() + row.at * tokens;
      for (int64_t i = from; i < last; ++i) {
        b.weight[static_cast<size_t>(i)] += sign * w[i];
        b.gain[static_cast<size_t>(i)] += sign * g[i];
      }
    }
  };
  add(e.gone, R(1));  // weights are negative
  add(e.come, R(-1));
  const R* before = piece.gain.data() + head * piece.count + begin;
  double sum = 0;
  for (int64_t i = from; i < tokens; ++i) {
    const R weight = b.weight[static_cast<size_t>(i)], gain = b.gain[static_cast<size_t>(i)];
    sum += static_cast<double>((gain - before[i] * weight) / std::max(kLeast, 1 + weight));
  }
  return sum;
}

template <class R>
std::vector<double> SoftmaxReads<R>::responses(std::span<const ChangedRows> edits, int64_t from) const {
  constexpr size_t kAtOnce = 64;  // edits whose weights stay near
  std::vector<double> out(edits.size(), 0.0);
  for (size_t first = 0; first < edits.size(); first += kAtOnce) {
    Batch some = batch(edits.subspan(first, std::min(kAtOnce, edits.size() - first)));
    if (some.k.empty()) continue;
    int64_t nearest = some.edits.front().border, last = nearest;
    for (const auto& e : some.edits) {
      nearest = std::min(nearest, e.border);
      last = std::max(last, e.border);
    }
    for (const Piece& piece : pieces_) {
      const int64_t begin = std::clamp<int64_t>(std::max(from, nearest) - piece.first, 0, piece.count);
      const int64_t sees = d_->window == 0 ? piece.count : last - 1 + d_->window - piece.first;
      const int64_t end = std::clamp<int64_t>(sees, begin, piece.count);
      for (int64_t h = 0; begin < end && h < d_->heads; ++h) {
        weigh(piece, begin, end, h, some);
        for (size_t e = 0; e < some.edits.size(); ++e) out[first + e] += response(piece, begin, end, h, e, some);
      }
    }
  }
  return out;
}

template class SoftmaxReads<float>;
template class SoftmaxReads<double>;

}  // namespace hindscan
