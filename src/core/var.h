// Names of the arrays of a pass.
#pragma once
#include <cstdint>

namespace hindscan {

using Var = int32_t;  // index of a [T, C] array of the pass
inline constexpr Var kNoVar = -1;

}  // namespace hindscan
