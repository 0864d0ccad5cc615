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

}  // namespace hindscan
