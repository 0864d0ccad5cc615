// Time-chunked reverse mode: the text forward once, a state kept at each chunk border; then the chunks from the last to
// the first, each recorded again from its border (explain-methods 4.4). Memory grows with the chunk, not with the text.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "base/memory.h"
#include "core/context.h"
#include "explain/report.h"

namespace hindscan {

struct WalkPlan {
  std::span<const int32_t> tokens;  // up to and with the target
  const SequenceState* state_in = nullptr;
  int64_t chunk = 2000;
  ProgressSink* progress = nullptr;
};

class ReverseWalk {
 public:
  // One recorded pass over tokens [first, first + count) and the output of its final norm.
  using Visit = std::function<void(Ctx& ctx, Var h, int64_t first, int64_t count)>;
  ReverseWalk(const Model& model, const WalkPlan& plan) : model_(model), plan_(plan) {}
  // forward sees every chunk in order, back every chunk in reverse order; the last chunk is recorded once for both.
  void run(const Visit& forward, const Visit& back);
  // Forward only; stops after the chunk that holds token `until`.
  void run_forward(const Visit& forward, int64_t until);
  // State at the last border at or before token t, and its position.
  const SequenceState& border_before(int64_t t, int64_t* at) const;

 private:
  int64_t length() const { return static_cast<int64_t>(plan_.tokens.size()); }
  void record(int64_t first, SequenceState& state, const Visit& visit);
  const Model& model_;
  WalkPlan plan_;
  Arena arena_;
  std::vector<SequenceState> borders_;  // before each chunk
};

// Bytes a recorded token takes with its adjoint, measured on a short pass over the first tokens.
int64_t recorded_bytes_per_token(const Model& model, std::span<const int32_t> tokens);

}  // namespace hindscan
