#include "kernels/libraries.h"

#include <fmt/format.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include "kernels/gemm_backend.h"

namespace hindscan::kernels {

std::vector<LibraryVersion> kernel_libraries() {
  return {{"Highway", fmt::format("{}.{}.{}", HWY_MAJOR, HWY_MINOR, HWY_PATCH)}, {"oneDNN", onednn_version()}};
}

std::vector<std::string> built_isas() {
  std::vector<std::string> out;
  for (int64_t rest = HWY_TARGETS; rest != 0; rest &= rest - 1) out.emplace_back(hwy::TargetName(rest & -rest));
  return out;
}

}  // namespace hindscan::kernels
