// "frozen": the adjoint of the whole model with every data-dependent coefficient held at the value it took. The model
// is then affine in its embeddings, so the scores, the initial state and the biases add up to the target.
#include "explain/linear_operator.h"

namespace hindscan {

namespace {

template <class R>
class Frozen final : public LinearOperator<R> {
 public:
  explicit Frozen(const MethodContext<R>& context)
      : LinearOperator<R>(context, frozen_rules(), "the whole model with its coefficients frozen") {}
};

}  // namespace

HS_REVERSE_METHOD(frozen, Frozen)

}  // namespace hindscan
