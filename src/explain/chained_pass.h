// A few tokens of a text in one recorded pass, with the state at every border between them and, after the way back, its
// exact adjoint: what the target gains from each number of it, through all layers and later tokens.
#pragma once
#include <span>
#include <vector>

#include "core/context.h"
#include "model/model.h"

namespace hindscan {

class ChainedPass {
 public:
  // before: the state in front of the first token. Keys and values of attention are in the last state alone. Without
  // record there is no way back.
  ChainedPass(const Model& model, std::span<const int32_t> tokens, const SequenceState& before, PassRoom& room,
              bool record = true);

  Ctx& ctx() { return ctx_; }
  Var h() const { return h_; }  // what the head reads, [tokens, d_model]
  // From the adjoint of h in ctx() and of the state behind the last token (empty: zero).
  void back(const SequenceState& adjoint_behind);
  // Adjoint of the state in front of token i; 0 ... tokens - 1.
  const SequenceState& adjoint(int64_t i) const { return ctx_.adjoint_out[static_cast<size_t>(i)]; }
  // Ends the pass: its arrays stay until the room is used again. In front of token i; 0 ... tokens.
  std::vector<SequenceState> take_states();

 private:
  static Input chained_input(std::span<const int32_t> tokens, std::vector<SequenceState>& states);
  static CtxOptions chained_options(const Model& model, PassRoom& room, bool record);
  SequenceState before_;
  std::vector<SequenceState> states_;  // behind each token
  Ctx ctx_;
  Var h_ = kNoVar;
};

}  // namespace hindscan
