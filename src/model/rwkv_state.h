// Tuned initial states of RWKV models in a file of their own: tensors blocks.N.att.time_state alone.
#pragma once
#include "io/tensor_store.h"
#include "model/model.h"

namespace hindscan {

// Nothing when the tensors are something else. Error(kData) for sizes of another model. torch.save archives hold
// [H, V, K] in every release; a safetensors file of halves is what web-rwkv's conversion leaves, [H, K, V], and a
// remark says so.
std::optional<SequenceState> rwkv_tuned_state(const TensorStore& tensors, const Model& model);

}  // namespace hindscan
