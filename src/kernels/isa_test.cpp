// HINDSCAN_FORCE_ISA takes effect in Highway and in oneDNN, and every level computes the same results.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/cpu.h"
#include "base/error.h"
#include "kernels/gemm.h"
#include "kernels/gemm_backend.h"
#include "kernels/pointwise.h"

namespace hindscan::kernels {
namespace {

std::string this_program() {
  char path[PATH_MAX] = {};
  return ::readlink("/proc/self/exe", path, sizeof path - 1) > 0 ? path : "";
}

struct ChildResult {
  int status;
  std::string output;
};

// Runs tests of this program in a child with the variable set.
ChildResult run_child(const std::string& isa, const std::string& filter) {
  const std::string command = "HINDSCAN_FORCE_ISA=" + isa + " HINDSCAN_ISA_CHILD=1 '" + this_program() +
                              "' --gtest_filter='" + filter + "' 2>&1";
  ChildResult result{-1, ""};
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return result;
  char buffer[4096];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) result.output += buffer;
  result.status = ::pclose(pipe);
  return result;
}

bool is_child() { return std::getenv("HINDSCAN_ISA_CHILD") != nullptr; }

// Reports what is in use after a product has run; meaningful in a child.
TEST(IsaChild, Report) {
  if (!is_child()) GTEST_SKIP() << "a part of IsaCap.BothLibrariesObey, which runs it for every instruction set";
  float a[4] = {1, 2, 3, 4}, c[4] = {};
  gemm({2, 2, 2}, a, 2, a, 2, 0.0f, c, 2);
  EXPECT_EQ(c[0], 7.0f);
  std::printf("[isa] allowed=%s gemm=%s pointwise=%s bf16=%d\n", isa_name(allowed_isa()), gemm_isa(), pointwise_isa(),
              has_bf16() ? 1 : 0);
}

struct Level {
  Isa isa;
  const char* onednn;
  const char* highway;
};
const Level kLevels[] = {{Isa::kSse4, "onednn sse41", "SSE4"},
                         {Isa::kAvx2, "onednn avx2", "AVX2"},
                         {Isa::kAvx512, "onednn avx512_core_vnni", "AVX3"},
                         {Isa::kAvx512Bf16, "onednn avx512_core_bf16", "AVX3"}};

TEST(IsaCap, BothLibrariesObey) {
  for (const Level& level : kLevels) {
    if (detected_isa() < level.isa) continue;
    const ChildResult child = run_child(isa_name(level.isa), "IsaChild.Report");
    ASSERT_EQ(child.status, 0) << child.output;
    const std::string onednn = onednn_usable() ? level.onednn : std::string("own ") + level.highway;
    const std::string want = std::string("[isa] allowed=") + isa_name(level.isa) + " gemm=" + onednn +
                             " pointwise=" + level.highway +
                             " bf16=" + (onednn_usable() && level.isa == Isa::kAvx512Bf16 ? "1" : "0");
    EXPECT_NE(child.output.find(want), std::string::npos) << want << "\n" << child.output;
  }
  const ChildResult scalar = run_child("scalar", "IsaChild.Report");
  EXPECT_NE(scalar.output.find("allowed=scalar gemm=own "), std::string::npos) << scalar.output;
}

// The whole float and conversion suite again at every level this machine has.
class EveryIsa : public testing::TestWithParam<const char*> {};
TEST_P(EveryIsa, ComputesTheSame) {
  if (is_child()) GTEST_SKIP() << "is run by the program that started this one";
  const ChildResult child = run_child(GetParam(), "PointwiseFloat*:VectorMath*:Gemm*:Linear*:DType*");
  EXPECT_EQ(child.status, 0) << child.output;
  EXPECT_NE(child.output.find("[  PASSED  ]"), std::string::npos) << child.output;
}
INSTANTIATE_TEST_SUITE_P(Levels, EveryIsa, testing::Values("scalar", "sse4", "avx2", "avx512", "avx512_bf16"),
                         [](const auto& level) { return std::string(level.param); });

TEST(IsaCap, AnUnknownNameIsAUsageError) {
  const ChildResult child = run_child("avx9", "IsaChild.Report");
  EXPECT_NE(child.status, 0);
  EXPECT_NE(child.output.find("HINDSCAN_FORCE_ISA"), std::string::npos) << child.output;
}

}  // namespace
}  // namespace hindscan::kernels
