#include "explain/chained_pass.h"

#include <numeric>

namespace hindscan {

Input ChainedPass::chained_input(std::span<const int32_t> tokens, std::vector<SequenceState>& states) {
  Input input;
  input.tokens = tokens;
  input.cu_seqlens.resize(tokens.size() + 1);
  std::iota(input.cu_seqlens.begin(), input.cu_seqlens.end(), int64_t{0});
  for (SequenceState& s : states) input.states.push_back(&s);
  return input;
}

CtxOptions ChainedPass::chained_options(const Model& model, PassRoom& room, bool record) {
  CtxOptions options;
  options.record = record;
  options.chained = true;
  options.compute = model.compute();
  options.use(room);
  return options;
}

ChainedPass::ChainedPass(const Model& model, std::span<const int32_t> tokens, const SequenceState& before,
                         PassRoom& room, bool record)
    : before_(before),
      states_(tokens.size()),
      ctx_((states_.front() = before, chained_input(tokens, states_)), chained_options(model, room, record)) {
  h_ = model.arch().forward(ctx_);
}

void ChainedPass::back(const SequenceState& adjoint_behind) {
  ctx_.adjoint_in.back() = adjoint_behind;
  ctx_.with_real([&]<class R>(R) { ctx_.grad<R>(h_); });  // zeros carry what comes from behind on
  ctx_.backward(exact_rules());
}

std::vector<SequenceState> ChainedPass::take_states() {
  ctx_.commit();
  std::vector<SequenceState> out{std::move(before_)};
  for (SequenceState& s : states_) out.push_back(std::move(s));
  return out;
}

}  // namespace hindscan
