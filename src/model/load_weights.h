// Fills a table of declared weights from the tensors of a checkpoint.
#pragma once
#include <optional>

#include "core/weights.h"
#include "io/tensor_store.h"

namespace hindscan {

// Each weight under its name, an alias, or transposed under a transposed alias; shapes agree up to dimensions of 1. A
// tensor that no weight takes must be ignored by the table. Error(kData) lists every problem. Default type: as most of
// the file.
void load_weights(const TensorStore& files, std::optional<DType> matrix_type, WeightTable& table);

// Wrappers leave their mark on names: "module.", "_orig_mod.", a "model." around the whole, or the first part of the
// declared names gone. Renames what only that keeps from being found. Error(kData) when two tensors get one name.
void use_declared_names(const WeightTable& table, TensorStore& files);

}  // namespace hindscan
