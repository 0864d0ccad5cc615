#include "core/parse_dtype.h"

#include "base/error.h"

namespace hindscan {

DType parse_dtype(std::string_view text) {
  for (const DType d : {DType::kF32, DType::kBF16, DType::kF16, DType::kF64}) {
    if (text == dtype_name(d)) return d;
  }
  fail(ErrorCode::kUsage, "[dtype] expected f32, bf16, f16 or f64, found '{}'", text);
}

}  // namespace hindscan
