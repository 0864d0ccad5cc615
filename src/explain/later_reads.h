// What later tokens of a text read of earlier ones directly, where a state's adjoint does not say what a change of it
// does: under attention the state is a row for each token, and the softmax is far from a straight line.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/context.h"

namespace hindscan {

// An edited text's rows for tokens [begin, border) of the text: the last `count` of its state at the border.
struct ChangedRows {
  const SequenceState* edited;
  int64_t begin, border, count;
};

// Of one mixer, over the chunks of a text from the last one on.
template <class R>
class LaterReads {
 public:
  virtual ~LaterReads() = default;
  virtual bool holds(const std::string& slot) const = 0;  // of the state
  // Puts into a state what it has of the text in front of token t; t lies in what the last chunk read, or before.
  virtual void complete(int64_t t, SequenceState& state) const = 0;
  // Puts the changed rows into the whole state in front of token t of the chunk that was read first, for tokens
  // [t, end) to go on from. False: a window ends among the rows, and some of these tokens would see a part of them.
  virtual bool splice(const ChangedRows& rows, int64_t t, int64_t end, SequenceState& state) const = 0;
  // Of each edit: the change of the target when tokens from its border (and from `from`) on read the changed rows, all
  // else as it was.
  virtual std::vector<double> responses(std::span<const ChangedRows> edits, int64_t from) const = 0;
};

}  // namespace hindscan
