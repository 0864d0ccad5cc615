// The last tokens of a text run again with what edits long before them left in the state, carried there by the text's
// own transitions.
#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "explain/border_walk.h"
#include "explain/packed_run.h"

namespace hindscan {

template <class R>
class ScanTail {
 public:
  using Changes = std::vector<std::pair<std::string, std::vector<R>>>;  // by slot, view by view

  // The last `length` of the text's tokens.
  ScanTail(std::span<const int32_t> text, int64_t length) : text_(text), length_(length), at_(begin()) {}
  int64_t begin() const { return std::ssize(text_) - length_; }
  // With the text's last chunk; then transitions from `to` on, which only goes to the front.
  void start(const BorderChunk<R>& chunk);
  void lead(const BorderChunk<R>& chunk, int64_t to);
  // Whether states follow each other linearly, so that a change can be carried on.
  bool carries() const { return linear_ && length_ > 0; }
  // The change of the mixers' states at a border, which then becomes the change in front of the tail: what the adjoint
  // there says of it.
  static void take(const BorderChunk<R>& chunk, const ChangedRows& rows, Changes& changes);
  double carry(const BorderChunk<R>& chunk, Changes& changes) const;
  // To be run. False where a window of attention ends among the changed rows: the tail then stays of first order.
  bool add(const BorderChunk<R>& chunk, const ChangedRows& rows, const Changes& changes);
  // The change of the target of each that was added.
  std::vector<double> run(const Model& model, const TargetReport& target, PassRoom& room);

 private:
  std::span<const int32_t> text_;
  int64_t length_, at_;                     // the transitions start at token at_
  std::vector<Transition<R>> transitions_;  // of each view
  bool linear_ = true;
  SequenceState state_, adjoint_;  // in front of the tail
  std::vector<PackedSequence> added_;
};

}  // namespace hindscan
