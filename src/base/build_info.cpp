#include "base/build_info.h"

#include <fmt/format.h>

namespace hindscan {

const char* build_type() { return HINDSCAN_BUILD_TYPE; }

std::string compiler() {
#if defined(__clang__)
  return fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  return fmt::format("gcc {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

std::vector<LibraryVersion> base_libraries() {
  return {{"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
          {"OpenMP", std::to_string(_OPENMP)}};
}

}  // namespace hindscan
