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
  void splice(const ChangedRows& rows, int64_t t, SequenceState& state) const override;
  double response(const ChangedRows& rows, int64_t from) const override;

 private:
  struct Piece {  // of a chunk
    int64_t first, count;
    std::vector<R> q, dy, lse, gain;  // [T, heads*d], [T, heads*d_v], [T, heads] twice; gain: <dy, y>
  };
  // Keys and values of the tokens from `first` on.
  struct Rows {
    const R *k, *v;
    int64_t first, count;
  };
  int64_t key_width() const { return d_->kv_heads * d_->d; }
  int64_t value_width() const { return d_->kv_heads * d_->d_v; }
  Rows of_text(int64_t begin, int64_t border) const;
  // Under a window the rows that it holds are copied.
  void splice_window(const ChangedRows& rows, int64_t t, SequenceState& state) const;
  void put(SequenceState& state, const SequenceState::SharedRows& rows, const Rows& own) const;
  Rows of_edited(const ChangedRows& rows) const;
  // Old rows and new ones, one behind the other.
  std::vector<R> stacked(const R* old, int64_t olds, const R* now, int64_t news, int64_t width) const;
  // Of the piece's tokens from row `begin` on and one head: the weights of the rows in units of the old sum and what
  // the target gains from their values, [tokens, rows] each.
  void read_rows(const Piece& piece, int64_t begin, int64_t head, const std::vector<R>& k, const std::vector<R>& v,
                 std::vector<R>& weights, std::vector<R>& gains) const;
  bool sees(int64_t t, int64_t row) const { return d_->window == 0 || t - row < d_->window; }

  const SoftmaxDetail<R>* d_ = nullptr;  // of the chunk that was added last
  int64_t first_ = 0;                    // its first token
  std::vector<Piece> pieces_;
  std::vector<R> k_, v_;  // of the whole text from its first cached row on; not where there is a window
  int64_t cached_ = 0;    // of them, from before the text
};

}  // namespace hindscan
