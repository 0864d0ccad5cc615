// "half-attnlrp": "half", and the weights of softmax attention have a share as well: of what a layer brought, half goes
// to its values and a quarter each to queries and keys, through the derivative of the softmax (AttnLRP, arXiv
// 2402.05602). That derivative does not hand on all it gets: what is missing is the gap, which is said.
#include <fmt/format.h>

#include <algorithm>

#include "explain/linear_operator.h"

namespace hindscan {

namespace {

template <class R>
class HalfAttnLrp final : public LinearOperator<R> {
 public:
  explicit HalfAttnLrp(const MethodContext<R>& context)
      : LinearOperator<R>(context, half_attnlrp_rules(),
                          "the same as half, with a share for the weights of attention") {}

  void back(const Chunk<R>& chunk) override {
    const std::vector<OpNode>& nodes = chunk.ctx.nodes();
    attention_ |=
        std::any_of(nodes.begin(), nodes.end(), [](const OpNode& node) { return node.role == Role::kAttention; });
    LinearOperator<R>::back(chunk);
  }

  MethodReport finish(const SequenceState* state_in, const TargetReport& target) override {
    MethodReport report = LinearOperator<R>::finish(state_in, target);
    const auto [whole, gap] = *report.total().completeness;
    if (attention_) report.arrays.front().completeness.reset();
    report.details.set("gap", gap);
    report.label = attention_ ? fmt::format(
                                    "does not add up: {:.4g} of the target {:.4g} is in no score, for the "
                                    "softmax of attention hands on another amount than it gets",
                                    gap, whole)
                              : "the same as half: this model has no attention";
    return report;
  }

 private:
  bool attention_ = false;
};

}  // namespace

HS_REVERSE_METHOD(half_attnlrp, HalfAttnLrp)

}  // namespace hindscan
