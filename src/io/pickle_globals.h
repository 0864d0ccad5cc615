// The closed set of names a file of torch.save may refer to. None of them is imported or called.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace hindscan {

// Storages follow kFirstStorage in the order of TensorDType.
enum PickleTag : int64_t { kOrderedDict, kRebuildTensor, kRebuildParameter, kFirstStorage };

std::optional<int64_t> pickle_tag(std::string_view module, std::string_view name);  // of a name of the set

}  // namespace hindscan
