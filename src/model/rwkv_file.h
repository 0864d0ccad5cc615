// RWKV checkpoints that come as one file without a config.json: the release and its sizes follow from names and shapes.
#pragma once
#include <optional>

#include "core/config.h"
#include "io/tensor_store.h"

namespace hindscan {

// The configuration of an RWKV-4 to 7 model under BlinkDL's names, or nothing for other tensors. Brings variants to
// these names: the digit reverser's (e.weight, rwkv1.*, ...), and RWKV-5 with a gate but one decay per head (spread
// over the head's channels). from_rwkv_cpp: rwkv.cpp normalises RWKV-5's heads without dividing by 8 first.
// Error(kData) for impossible shapes.
std::optional<Config> rwkv_config(TensorStore& tensors, bool from_rwkv_cpp);

}  // namespace hindscan
