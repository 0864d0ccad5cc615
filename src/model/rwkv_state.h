// Tuned initial states of RWKV models, as BlinkDL's scripts write them: tensors blocks.N.att.time_state alone.
#pragma once
#include "io/tensor_store.h"
#include "model/model.h"

namespace hindscan {

// Nothing when the tensors are something else. Error(kData) for sizes of another model, and for a release whose layout
// is not published.
std::optional<SequenceState> rwkv_tuned_state(const TensorStore& tensors, const Model& model);

}  // namespace hindscan
