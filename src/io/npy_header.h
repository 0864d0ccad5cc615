#pragma once
#include <string>

#include "io/npy.h"

namespace hindscan {

// Magic, version and the padded dictionary that come before the data; Error(kInternal) when shape and bytes disagree.
std::string npy_header(const NpyArray& array);

}  // namespace hindscan
