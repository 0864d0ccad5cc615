#include "base/cpu.h"

#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/error.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace hindscan {
namespace {

constexpr const char* kNames[] = {"scalar", "sse4", "avx2", "avx512", "avx512_bf16"};

#if defined(__x86_64__)
// clang's __builtin_cpu_supports does not know f16c.
bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
}
#endif

Isa detect() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") && has_f16c();
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512cd");
  if (avx512) return __builtin_cpu_supports("avx512bf16") ? Isa::kAvx512Bf16 : Isa::kAvx512;
  if (avx2) return Isa::kAvx2;
  if (__builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("sse4.2")) return Isa::kSse4;
#endif
  return Isa::kScalar;
}

// The cap of the environment; the best level when it is not set.
Isa forced_isa() {
  const char* value = std::getenv("HINDSCAN_FORCE_ISA");
  if (value == nullptr || *value == '\0') return Isa::kAvx512Bf16;
  for (int i = 0; i < 5; ++i) {
    if (std::string_view(value) == kNames[i]) return static_cast<Isa>(i);
  }
  fail(ErrorCode::kUsage,
       "[HINDSCAN_FORCE_ISA] expected scalar, sse4, avx2, avx512 or avx512_bf16, found \"{}\"; unset it or name one of "
       "these",
       value);
}

std::string brand_from_cpuid() {
#if defined(__x86_64__)
  unsigned regs[12] = {};
  if (static_cast<unsigned>(__get_cpuid_max(0x80000000u, nullptr)) < 0x80000004u) return {};
  for (unsigned i = 0; i < 3; ++i) {
    __get_cpuid(0x80000002u + i, &regs[4 * i], &regs[4 * i + 1], &regs[4 * i + 2], &regs[4 * i + 3]);
  }
  char brand[sizeof regs + 1] = {};
  std::memcpy(brand, regs, sizeof regs);
  std::string text(brand);
  const size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? std::string() : text.substr(first, text.find_last_not_of(' ') - first + 1);
#else
  return {};
#endif
}

}  // namespace

Isa detected_isa() {
  static const Isa isa = detect();
  return isa;
}

Isa allowed_isa() {
  static const Isa isa = std::min(detected_isa(), forced_isa());
  return isa;
}

const char* isa_name(Isa isa) { return kNames[static_cast<int>(isa)]; }

std::string cpu_model() {
  const std::string brand = brand_from_cpuid();
  return brand.empty() ? "unknown" : brand;
}

int num_threads() { return omp_get_max_threads(); }

}  // namespace hindscan
