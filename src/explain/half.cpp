// "half": "frozen", but for gates where two signals multiply: each gets half of what their product brought (MambaLRP,
// arXiv 2406.07592), so that a gate has its part of the target and the scores still add up to it.
#include "explain/linear_operator.h"

namespace hindscan {

namespace {

template <class R>
class Half final : public LinearOperator<R> {
 public:
  explicit Half(const MethodContext<R>& context)
      : LinearOperator<R>(context, half_rules(),
                          "the whole model, what two signals make together halved between them") {}
};

}  // namespace

HS_REVERSE_METHOD(half, Half)

}  // namespace hindscan
