// Versions of the libraries that read files, as loaded where the library says so.
#pragma once
#include <vector>

#include "base/build_info.h"

namespace hindscan {

std::vector<LibraryVersion> io_libraries();

}  // namespace hindscan
