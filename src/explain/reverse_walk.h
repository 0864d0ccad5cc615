// Time-chunked reverse mode: the text forward once, a state kept at each chunk border; then the chunks from the last to
// the first, each recorded again from its border (explain-methods 4.4). Memory grows with the chunk, not with the text.
#pragma once
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/memory.h"
#include "core/context.h"
#include "explain/report.h"

namespace hindscan {

struct WalkPlan {
  std::span<const int32_t> tokens;  // what is read, [T]
  std::span<const float> features;  // [T, feature_dim], instead of tokens
  int64_t feature_dim = 0;
  const SequenceState* state_in = nullptr;
  int64_t chunk = 2000;
  ProgressSink* progress = nullptr;
  double back_work = 1;  // of a token on the way back, in units of one forward: what the progress counts

  int64_t length() const;
  Input slice(int64_t first, int64_t count) const;  // without states
};

// What a request of either kind asks to be read.
template <class Request>
WalkPlan plan_reading(const Model& model, const Request& r) {
  WalkPlan plan;
  plan.tokens = r.tokens;
  plan.features = r.features;
  plan.feature_dim = model.arch().sizes().feature_dim;
  plan.state_in = r.state_in;
  plan.chunk = r.chunk;
  plan.progress = r.progress;
  return plan;
}

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
  Arena arena_;
  Borders borders_;
};

// What a short pass over the first tokens shows of the cost of a long one.
struct PassProbe {
  int64_t tape = 0;        // bytes of a recorded token, without adjoints
  bool whole = false;      // cannot be walked in chunks
  bool reordered = false;  // tokens do not stay in the text's order
  std::vector<int> quadratic_layers;
  double pair_flops = 0;  // of attention without a window, per pair of tokens

  int64_t state = 0;   // bytes of what a sequence carries, keys and values of attention apart
  int64_t cached = 0;  // bytes of keys and values, per token
  std::vector<std::pair<int64_t, int64_t>> windows;  // tokens and bytes of a token of those with a window
  int64_t state_bytes(int64_t tokens) const;         // that do not grow after so many tokens
};
PassProbe probe_pass(const Model& model, const WalkPlan& plan);

}  // namespace hindscan
