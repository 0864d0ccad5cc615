// What this machine can do at this moment: multiply-add peak and read bandwidth, measured beside every benchmark.
#pragma once
#include <fmt/format.h>
#include <immintrin.h>
#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <string>

#include "base/cpu.h"
#include "read_bandwidth.h"

namespace hindscan::bench {

// Best of several runs: the others lost time to the rest of the machine.
template <class Body>
double best_seconds(const Body& body, double budget = 0.4, int at_most = 200) {
  body();
  double best = 1e30, spent = 0.0;
  for (int i = 0; i < at_most && (i < 3 || spent < budget); ++i) {
    const double start = omp_get_wtime();
    body();
    const double seconds = omp_get_wtime() - start;
    best = std::min(best, seconds);
    spent += seconds;
  }
  return best;
}

constexpr int kChains = 12;  // independent accumulators: more than latency times units
constexpr int64_t kSteps = 1 << 16;

// Floating-point operations of one call of each loop below, by one thread.
__attribute__((target("avx512f"))) inline double fma_avx512() {
  __m512 sum[kChains], a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(1.0f);
  for (auto& s : sum) s = b;
  for (int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) sum[c] = _mm512_fmadd_ps(sum[c], a, b);
  }
  for (auto& s : sum) asm volatile("" ::"v"(s));
  return 2.0 * 16 * kChains * kSteps;
}

__attribute__((target("avx2,fma"))) inline double fma_avx2() {
  __m256 sum[kChains], a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(1.0f);
  for (auto& s : sum) s = b;
  for (int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) sum[c] = _mm256_fmadd_ps(sum[c], a, b);
  }
  for (auto& s : sum) asm volatile("" ::"x"(s));
  return 2.0 * 8 * kChains * kSteps;
}

inline double fma_sse() {
  __m128 sum[kChains], a = _mm_set1_ps(0.5f), b = _mm_set1_ps(1.0f);
  for (auto& s : sum) s = b;
  for (int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) sum[c] = _mm_add_ps(_mm_mul_ps(sum[c], a), b);
  }
  for (auto& s : sum) asm volatile("" ::"x"(s));
  return 2.0 * 4 * kChains * kSteps;
}

__attribute__((target("avx512f,avx512bf16"))) inline double dot_bf16() {
  __m512 sum[kChains];
  const __m512 one = _mm512_set1_ps(1.0f);
  const __m512bh a = _mm512_cvtne2ps_pbh(one, one);
  for (auto& s : sum) s = one;
  for (int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) sum[c] = _mm512_dpbf16_ps(sum[c], a, a);
  }
  for (auto& s : sum) asm volatile("" ::"v"(s));
  return 2.0 * 32 * kChains * kSteps;
}

// GF/s of all threads together.
inline double peak_gflops(double (*loop)()) {
  double work = 0.0;
  const double seconds = best_seconds([&] {
    double total = 0.0;
#pragma omp parallel reduction(+ : total)
    total += loop();
    work = total;
  });
  return work / seconds * 1e-9;
}

inline double (*f32_loop())() {
  if (allowed_isa() >= Isa::kAvx512) return fma_avx512;
  return allowed_isa() >= Isa::kAvx2 ? fma_avx2 : fma_sse;
}

struct Machine {
  double f32_gflops;
  double bf16_gflops;  // 0 without AVX512-BF16
  double read_gbs;
};

// Measures, and prints the lines that every benchmark starts with.
inline Machine measure_machine() {
  const double bf16 = allowed_isa() >= Isa::kAvx512Bf16 ? peak_gflops(dot_bf16) : 0.0;
  const ReadBandwidth& read = read_limit();
  const Machine machine{peak_gflops(f32_loop()), bf16, read.gbs};
  fmt::print("machine: {}, isa {}, {} thread(s), f32 peak {:.0f} GF/s, bf16 peak {:.0f} GF/s, read {:.1f} GB/s\n",
             cpu_model(), isa_name(allowed_isa()), num_threads(), machine.f32_gflops, machine.bf16_gflops,
             machine.read_gbs);
  double load = 0;
  if (getloadavg(&load, 1) == 1) fmt::print("machine: load average {:.1f}; ", load);
  fmt::print("read limit by {}\n", read.how);
  return machine;
}

inline double worst_share = 0;  // of a limit, in percent

// Share of a limit as text. More than all of it means that the limit was not one: run_main fails then.
inline std::string percent_of(double rate, double limit) {
  const double percent = 100 * rate / limit;
  worst_share = std::max(worst_share, percent);
  return fmt::format("{:5.1f} %{}", percent, percent > 100 ? " LIMIT BEATEN" : "");
}

inline std::string percent_of_read(double gbs) { return percent_of(gbs, read_limit(gbs).gbs); }

// main() of a benchmark: 70 and a message when it throws, 1 when a limit was beaten.
inline int run_main(const char* name, void (*run)()) {
  try {
    run();
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}: {}\n", name, e.what());
    return 70;
  }
  if (worst_share <= 100) return 0;
  fmt::print(stderr, "{}: a limit was beaten ({:.1f} %), so it was measured too low; run again on a quiet machine\n",
             name, worst_share);
  return 1;
}

}  // namespace hindscan::bench
