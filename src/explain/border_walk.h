// A text read forward and back again in chunks that show its state, and the exact adjoint of it, at every border
// between two tokens: two readings forward and one back, whatever the length.
#pragma once
#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/progress.h"
#include "explain/chained_pass.h"
#include "explain/reverse_method.h"
#include "explain/reverse_walk.h"

namespace hindscan {

// Tokens [begin, end), read back; the states reach further to the front.
template <class R>
struct BorderChunk {
  int64_t begin, end, states_from;
  const std::vector<SequenceState>& states;  // in front of each token from states_from on, and behind the last
  const ChainedPass& pass;
  const Views<R>& views;
  std::span<const std::unique_ptr<LaterReads<R>>> reads;  // of each view, or null

  const SequenceState& adjoint(int64_t t) const { return pass.adjoint(t - begin); }  // in front of token t
  // What the text carries in front of token t: as a chunk shows it, or with the rows that later tokens read directly.
  const SequenceState& state(int64_t t) const { return states[static_cast<size_t>(t - states_from)]; }
  SequenceState whole_state(int64_t t) const;
};

template <class R>
class BorderWalk {
 public:
  struct Plan {
    int64_t chunk = 64;      // tokens
    int64_t last_begin = 0;  // the last chunk begins here or before
    int64_t lead_in = 0;     // how far the states of a chunk reach in front of it
  };
  BorderWalk(const Model& model, std::span<const int32_t> tokens, const SequenceState& start, const Plan& plan);
  // Every chunk, the last one first; seed: the adjoint of the last rows of what the head reads, which the last
  // chunk holds. progress counts every token twice.
  void run(std::span<const double> seed, const std::function<void(const BorderChunk<R>&)>& visit,
           ProgressTask& progress);

 private:
  std::span<const int32_t> tokens(int64_t begin, int64_t end) const {
    return tokens_.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  }
  int64_t states_from(size_t k) const { return std::max<int64_t>(0, first_[k] - lead_in_); }
  void forward(ProgressTask& progress);
  std::vector<SequenceState> states_before(size_t k);
  void back(size_t k, std::span<const double> seed, const std::function<void(const BorderChunk<R>&)>& visit);

  const Model& model_;
  std::span<const int32_t> tokens_;
  const SequenceState& start_;
  int64_t lead_in_;
  std::vector<int64_t> first_;  // of each chunk, and behind the last
  PassRoom room_;
  Borders borders_;        // where the states of each chunk begin
  SequenceState adjoint_;  // in front of the chunk that was read back last
  std::vector<std::unique_ptr<LaterReads<R>>> reads_;
};

}  // namespace hindscan
