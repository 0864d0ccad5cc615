// What later tokens of a text read of earlier ones directly, where a state's adjoint does not say what a change of it
// does: under attention the state is a row for each token, and the softmax is far from a straight line.
#pragma once
#include <cstdint>

#include "core/context.h"

namespace hindscan {

// An edited text's rows for tokens [begin, border) of the text: the last `count` of its state at the border.
struct ChangedRows {
  const SequenceState& edited;
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
  // Puts the changed rows into the state of the text in front of token t.
  virtual void splice(const ChangedRows& rows, int64_t t, SequenceState& state) const = 0;
  // Change of the target when tokens from `from` on read the changed rows, all else as it was.
  virtual double response(const ChangedRows& rows, int64_t from) const = 0;
};

}  // namespace hindscan
