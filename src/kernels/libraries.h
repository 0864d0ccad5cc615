// What the kernels were built with and which instruction sets they can choose from.
#pragma once
#include <string>
#include <vector>

#include "base/build_info.h"

namespace hindscan::kernels {

std::vector<LibraryVersion> kernel_libraries();  // Highway, and oneDNN as loaded ("none" in a build without it)
std::vector<std::string> built_isas();           // Highway targets compiled in, best first, e.g. "AVX3"

}  // namespace hindscan::kernels
