// Time-chunked reverse mode: the text forward once, a state kept at each chunk border; then the chunks from the last to
// the first, each recorded again from its border (explain-methods 4.4). Memory grows with the chunk, not with the text.
#pragma once
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/memory.h"
#include "core/context.h"
#include "explain/walk_plan.h"

namespace hindscan {

// States before each chunk. Caches that only grow are kept once, each border knowing how much of them it had.
class Borders {
 public:
  void push(const SequenceState& state);
  SequenceState at(size_t border) const;
  size_t size() const { return borders_.size(); }

 private:
  struct Border {
    SequenceState own;
    std::map<std::string, std::vector<int64_t>> shared;  // slots that are a beginning of grown_'s, with their shapes
  };
  std::vector<Border> borders_;
  std::map<std::string, SequenceState::Slot> grown_;
  std::set<std::string> not_growing_;
};

class ReverseWalk {
 public:
  // One recorded pass over tokens [first, first + count) and what the head reads.
  using Visit = std::function<void(Ctx& ctx, Var h, int64_t first, int64_t count)>;
  ReverseWalk(const Model& model, const WalkPlan& plan) : model_(model), plan_(plan) {}
  // forward sees every chunk in order, back every chunk in reverse order; the last chunk is recorded once for both.
  void run(const Visit& forward, const Visit& back);
  // Forward only; stops after the chunk that holds token `until`.
  void run_forward(const Visit& forward, int64_t until);
  // State at the last border at or before token t, and its position.
  SequenceState border_before(int64_t t, int64_t* at) const;

 private:
  void record(int64_t first, SequenceState& state, const Visit& visit);
  const Model& model_;
  WalkPlan plan_;
  PassRoom room_;
  Borders borders_;
};

}  // namespace hindscan
