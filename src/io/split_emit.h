// Turns the matches of a pattern, in order, into pieces according to the behaviour.
#pragma once
#include <string_view>

#include "io/pre_tokenizer.h"

namespace hindscan {

class PieceEmitter {
 public:
  // invert: the matches are the text to keep and the gaps between them are the delimiters.
  PieceEmitter(std::string_view text, SplitBehavior behavior, bool invert, const PieceFn& next)
      : text_(text), behavior_(behavior), invert_(invert), next_(next) {}

  void match(size_t begin, size_t end) {
    if (done_ != begin) part(done_, begin, invert_);
    part(begin, end, !invert_);  // one of no length parts what is before it from what is after it
    done_ = end;
  }

  void finish() {
    if (done_ != text_.size()) part(done_, text_.size(), invert_);
    flush();
  }

 private:
  void part(size_t begin, size_t end, bool delimiter) {
    if (behavior_ == SplitBehavior::kContiguous && is_open_ && open_delimiter_ == delimiter) {
      open_ = end;
      return;
    }
    flush();
    begin_ = begin;
    open_ = end;
    is_open_ = true;
    open_delimiter_ = delimiter;
  }

  void flush() {
    if (open_ != begin_ && !(open_delimiter_ && behavior_ == SplitBehavior::kRemoved)) {
      next_(text_.substr(begin_, open_ - begin_));
    }
    begin_ = open_;
  }

  std::string_view text_;
  SplitBehavior behavior_;
  bool invert_;
  const PieceFn& next_;
  size_t done_ = 0, begin_ = 0, open_ = 0;  // [begin_, open_) is the piece not yet handed on
  bool is_open_ = false, open_delimiter_ = false;
};

}  // namespace hindscan
