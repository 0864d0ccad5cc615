// Which rows of a walk's chunks the answer is read from: one, or of an answer of several tokens as many.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "core/context.h"

namespace hindscan {

class AnswerRows {
 public:
  // Of tokens [first, last]. judges: the model reads its answer from one row for the whole text.
  AnswerRows(int64_t first, int64_t last, bool judges) : first_(first), last_(last), judges_(judges) {}

  struct Some {
    int64_t row = 0;            // of h, the first of them
    size_t begin = 0, end = 0;  // which of the answer's rows they are
  };
  // Those in a chunk of `count` tokens from `from` on.
  Some in(const Ctx& ctx, Var h, int64_t from, int64_t count) const {
    const int64_t begin = std::max(from, first_), end = std::min(from + count, last_ + 1);
    if (begin >= end) return {};
    return {pooled(ctx, h) ? 0 : begin - from, static_cast<size_t>(begin - first_), static_cast<size_t>(end - first_)};
  }
  // Row of h that the last of them is, or -1 when it lies in a later chunk.
  int64_t last_in(const Ctx& ctx, Var h, int64_t from, int64_t count) const {
    return last_ >= from + count ? -1 : pooled(ctx, h) ? 0 : last_ - from;
  }

  // Appends those of a chunk to rows, [places, d_model] in the end.
  template <class R>
  void collect(Ctx& ctx, Var h, int64_t from, int64_t count, std::vector<R>& rows) const {
    const Some some = in(ctx, h, from, count);
    const R* at = ctx.data<R>(h) + some.row * ctx.cols(h);  // [some, d_model]
    rows.insert(rows.end(), at, at + static_cast<int64_t>(some.end - some.begin) * ctx.cols(h));
  }
  // Of an array [places, d_model].
  template <class R>
  std::span<const R> part(const Some& some, const std::vector<R>& rows) const {
    const size_t C = rows.size() / static_cast<size_t>(last_ + 1 - first_);
    return std::span(rows).subspan(some.begin * C, (some.end - some.begin) * C);  // [some, d_model]
  }

 private:
  bool pooled(const Ctx& ctx, Var h) const { return judges_ && ctx.rows(h) == 1; }

  int64_t first_, last_;
  bool judges_;
};

}  // namespace hindscan
