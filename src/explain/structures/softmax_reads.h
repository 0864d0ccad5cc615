// What later tokens read under attention: their softmax again, over the rows that changed alone.
#pragma once
#include <vector>

#include "core/mixer_detail.h"
#include "explain/later_reads.h"

namespace hindscan {

template <class R>
class SoftmaxReads final : public LaterReads<R> {
 public:
  // dy [T, heads*d_v]: the exact adjoint of the output; first: the chunk's first token.
  void add(const SoftmaxDetail<R>& chunk, const R* dy, int64_t first);
  bool holds(const std::string& slot) const override { return slot == d_->state || slot == d_->value_state; }
  void complete(int64_t t, SequenceState& state) const override;
  bool splice(const ChangedRows& rows, int64_t t, int64_t end, SequenceState& state) const override;
  std::vector<double> responses(std::span<const ChangedRows> edits, int64_t from) const override;

 private:
  struct Piece {  // of a chunk; by head, so that tokens lie side by side
    int64_t first, count;
    std::vector<R> q, dy, lse, gain;  // [T, heads*d], [T, heads*d_v], [heads, T] twice; gain: <dy, y>
  };
  // Keys and values of the tokens from `first` on.
  struct Rows {
    const R *k, *v;
    int64_t first, count;
  };
  struct Batch;  // of edits

  bool sees(int64_t t, int64_t row) const { return d_->window == 0 || t - row < d_->window; }
  int64_t key_width() const { return d_->kv_heads * d_->d; }
  int64_t value_width() const { return d_->kv_heads * d_->d_v; }
  Rows kept_rows() const { return {k_.data(), v_.data(), kept_first_, std::ssize(k_) / key_width()}; }
  // Those in front of the tokens of the chunk that was added last.
  Rows of_text() const;
  Rows of_edited(const ChangedRows& rows) const;
  // The text's rows in front of token t but those in [gap_begin, gap_end), and own ones.
  void put(SequenceState& state, const Rows& text, int64_t t, int64_t gap_begin, int64_t gap_end,
           const Rows& own) const;
  Batch batch(std::span<const ChangedRows> edits) const;
  // Of tokens [begin, end) of the piece and one head.
  void weigh(const Piece& piece, int64_t begin, int64_t end, int64_t head, Batch& batch) const;
  double response(const Piece& piece, int64_t begin, int64_t end, int64_t head, size_t edit, Batch& batch) const;

  const SoftmaxDetail<R>* d_ = nullptr;      // of the chunk that was added last
  int64_t first_ = 0;                        // its first token
  std::vector<Piece> pieces_;                // those that may see what changes in it
  std::vector<R> k_, v_;                     // as the chunk that was added first read them: without a window, all
  int64_t kept_first_ = 0, kept_chunk_ = 0;  // the token of their first row; that chunk's first token
};

}  // namespace hindscan
