#include "io/pickle_globals.h"

#include <cstring>

#include "io/safetensors.h"

namespace hindscan {
namespace {

struct GlobalRow {
  const char* name;
  int64_t tag;
};
constexpr int64_t storage_tag(TensorDType t) { return kFirstStorage + static_cast<int64_t>(t); }
constexpr GlobalRow kGlobals[] = {
    {"collections OrderedDict", kOrderedDict},
    {"torch._utils _rebuild_tensor_v2", kRebuildTensor},
    {"torch._utils _rebuild_parameter", kRebuildParameter},
    {"torch DoubleStorage", storage_tag(TensorDType::kF64)},
    {"torch FloatStorage", storage_tag(TensorDType::kF32)},
    {"torch HalfStorage", storage_tag(TensorDType::kF16)},
    {"torch BFloat16Storage", storage_tag(TensorDType::kBF16)},
    {"torch LongStorage", storage_tag(TensorDType::kI64)},
    {"torch IntStorage", storage_tag(TensorDType::kI32)},
    {"torch ShortStorage", storage_tag(TensorDType::kI16)},
    {"torch CharStorage", storage_tag(TensorDType::kI8)},
    {"torch ByteStorage", storage_tag(TensorDType::kU8)},
    {"torch BoolStorage", storage_tag(TensorDType::kBool)},
};

}  // namespace

std::optional<int64_t> pickle_tag(std::string_view module, std::string_view name) {
  for (const GlobalRow& row : kGlobals) {
    const size_t space = std::strcspn(row.name, " ");
    if (std::string_view(row.name, space) == module && std::string_view(row.name + space + 1) == name) return row.tag;
  }
  return std::nullopt;
}

}  // namespace hindscan
