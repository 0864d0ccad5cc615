// A storage type by its name.
#pragma once
#include <string_view>

#include "kernels/dtype.h"

namespace hindscan {

DType parse_dtype(std::string_view text);  // "f32", "bf16", "f16", "f64"; Error(kUsage)

}  // namespace hindscan
