#include "core/parse_dtype.h"

#include "base/error.h"

namespace hindscan {

DType parse_dtype(std::string_view text, std::string_view where, std::initializer_list<DType> allowed) {
  std::string names;
  for (const DType d : allowed) {
    if (text == dtype_name(d)) return d;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", dtype_name(d));
  }
  fail(ErrorCode::kUsage, "[{}] expected one of {}, found '{}'", where, names, text);
}

}  // namespace hindscan
