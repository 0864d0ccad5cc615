// A storage type by its name.
#pragma once
#include <initializer_list>
#include <string_view>

#include "kernels/dtype.h"

namespace hindscan {

// One of the allowed; Error(kUsage) of `where` else.
DType parse_dtype(std::string_view text, std::string_view where = "dtype",
                  std::initializer_list<DType> allowed = {DType::kF32, DType::kBF16, DType::kF16, DType::kF64});

}  // namespace hindscan
