// The target's exact gradient around every mixer of a text, one number a token.
#pragma once
#include <vector>

#include "explain/reverse_method.h"

namespace hindscan {

// kGated: its mean over channels in front of the output projection. kLargest: its largest number over channels behind
// it, or 0 where none is above zero; that is the gradient of the stream, too, right behind the mixer.
enum class Around : uint8_t { kGated, kLargest };

template <class R>
class StreamGradients {
 public:
  StreamGradients(const WalkSizes& sizes, Around around);
  void back(const Chunk<R>& chunk);
  const std::vector<double>& of(size_t layer) const { return numbers_[layer]; }  // [T]

 private:
  Around around_;
  SequenceState carry_;
  std::vector<std::vector<double>> numbers_;  // [layers][T]
};

}  // namespace hindscan
