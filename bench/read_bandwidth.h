// How fast this machine reads memory: the best of many ways to do it, for no way of reading may beat the limit.
#pragma once
#include <fmt/format.h>
#include <immintrin.h>
#include <omp.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/cpu.h"

namespace hindscan::bench {

constexpr size_t kReadStep = 256;  // bytes of one stream per turn: four cache lines
constexpr int kMostStreams = 8;

// Reads [from, from + bytes) as kStreams streams side by side, each `ahead` bytes prefetched (0: left to the hardware).
template <int kStreams>
__attribute__((target("avx512f"))) void read_avx512(const std::byte* from, size_t bytes, size_t ahead) {
  __m512i sum[4] = {};
  const size_t part = bytes / kStreams;
  for (size_t i = 0; i < part; i += kReadStep) {
#pragma GCC unroll 8
    for (size_t s = 0; s < kStreams; ++s) {
      const std::byte* at = from + s * part + i;
#pragma GCC unroll 4
      for (size_t k = 0; k < 4; ++k) {
        if (ahead > 0) _mm_prefetch(at + ahead + 64 * k, _MM_HINT_T0);
        sum[k] = _mm512_or_si512(sum[k], _mm512_loadu_si512(at + 64 * k));
      }
    }
  }
  for (const auto& s : sum) asm volatile("" ::"v"(s));
}

template <int kStreams>
__attribute__((target("avx2"))) void read_avx2(const std::byte* from, size_t bytes, size_t ahead) {
  __m256i sum[8] = {};
  const size_t part = bytes / kStreams;
  for (size_t i = 0; i < part; i += kReadStep) {
#pragma GCC unroll 8
    for (size_t s = 0; s < kStreams; ++s) {
      const std::byte* at = from + s * part + i;
#pragma GCC unroll 8
      for (size_t k = 0; k < 8; ++k) {
        if (ahead > 0 && k % 2 == 0) _mm_prefetch(at + ahead + 32 * k, _MM_HINT_T0);
        sum[k] = _mm256_or_si256(
            sum[k], _mm256_loadu_si256(static_cast<const __m256i*>(static_cast<const void*>(at + 32 * k))));
      }
    }
  }
  for (const auto& s : sum) asm volatile("" ::"x"(s));
}

template <int kStreams>
void read_sse2(const std::byte* from, size_t bytes, size_t ahead) {
  __m128i sum[8] = {};
  const size_t part = bytes / kStreams;
  for (size_t i = 0; i < part; i += kReadStep) {
#pragma GCC unroll 8
    for (size_t s = 0; s < kStreams; ++s) {
      const std::byte* at = from + s * part + i;
#pragma GCC unroll 16
      for (size_t k = 0; k < 16; ++k) {
        if (ahead > 0 && k % 4 == 0) _mm_prefetch(at + ahead + 16 * k, _MM_HINT_T0);
        sum[k % 8] = _mm_or_si128(sum[k % 8],
                                  _mm_loadu_si128(static_cast<const __m128i*>(static_cast<const void*>(at + 16 * k))));
      }
    }
  }
  for (const auto& s : sum) asm volatile("" ::"x"(s));
}

struct ReadVariant {
  const char* load;
  int streams;
  size_t ahead;
  void (*read)(const std::byte* from, size_t bytes, size_t ahead);
  double seconds = 1e30;  // the best of its runs

  std::string name() const {
    return fmt::format("{}, {} stream(s) a thread, {}", load, streams,
                       ahead == 0 ? "no prefetch" : fmt::format("prefetch {} bytes ahead", ahead));
  }
};

inline std::vector<ReadVariant> read_variants() {
  std::vector<ReadVariant> all;
  for (const size_t ahead : {size_t{0}, size_t{1} << 10, size_t{4} << 10}) {
    const auto add = [&](const char* load, auto one, auto two, auto four, auto eight) {
      all.insert(all.end(),
                 {{load, 1, ahead, one}, {load, 2, ahead, two}, {load, 4, ahead, four}, {load, 8, ahead, eight}});
    };
    const Isa isa = detected_isa();  // a limit of the machine: HINDSCAN_FORCE_ISA caps our kernels only
    if (isa >= Isa::kAvx512) add("AVX-512", read_avx512<1>, read_avx512<2>, read_avx512<4>, read_avx512<8>);
    if (isa >= Isa::kAvx2) add("AVX2", read_avx2<1>, read_avx2<2>, read_avx2<4>, read_avx2<8>);
    add("SSE2", read_sse2<1>, read_sse2<2>, read_sse2<4>, read_sse2<8>);
  }
  return all;
}

struct ReadBandwidth {
  double gbs;
  std::string how;
};

constexpr size_t kReadBytes = size_t{512} << 20, kReadSlice = size_t{16} << 20;

// Pages of 2 MiB where the system has them. A run is a slice of the buffer, in turn: no cache holds it the next time,
// and on a busy machine some runs are not interrupted. All variants, then the quickest again and again.
inline ReadBandwidth measure_read_bandwidth() {
  const HugeBuffer buffer(kReadBytes);
  size_t slice = 0;
  const auto on_threads = [&](const auto& body) {
    std::byte* from = buffer.data() + slice;
#pragma omp parallel
    {
      constexpr size_t kUnit = kReadStep * kMostStreams;
      const size_t thread = static_cast<size_t>(omp_get_thread_num()),
                   threads = static_cast<size_t>(omp_get_num_threads());
      const size_t begin = kReadSlice / kUnit * thread / threads, end = kReadSlice / kUnit * (thread + 1) / threads;
      body(from + begin * kUnit, (end - begin) * kUnit);
    }
    slice = (slice + kReadSlice) % kReadBytes;
  };
  for (size_t i = 0; i < kReadBytes / kReadSlice; ++i)
    on_threads([](std::byte* from, size_t n) { std::fill_n(from, n, std::byte{1}); });
  std::vector<ReadVariant> variants = read_variants();
  const auto run = [&](ReadVariant& v) {
    const double start = omp_get_wtime();
    on_threads([&](const std::byte* from, size_t n) { v.read(from, n, v.ahead); });
    v.seconds = std::min(v.seconds, omp_get_wtime() - start);
  };
  constexpr size_t kFinalists = 6;
  for (int round = 0; round < 16; ++round) std::for_each(variants.begin(), variants.end(), run);
  const auto quicker = [](const ReadVariant& a, const ReadVariant& b) { return a.seconds < b.seconds; };
  std::sort(variants.begin(), variants.end(), quicker);
  variants.resize(std::min(kFinalists, variants.size()));
  for (int round = 0; round < 100; ++round) std::for_each(variants.begin(), variants.end(), run);
  const ReadVariant& best = *std::min_element(variants.begin(), variants.end(), quicker);
  return {static_cast<double>(kReadSlice) / best.seconds * 1e-9, best.name()};
}

// The limit, measured once, and again where a rate seems to beat it: the machine may have been busy.
inline const ReadBandwidth& read_limit(double claimed_gbs = 0) {
  static ReadBandwidth limit = measure_read_bandwidth();
  for (int again = 0; again < 3 && claimed_gbs > limit.gbs; ++again) {
    const ReadBandwidth now = measure_read_bandwidth();
    if (now.gbs > limit.gbs) limit = now;
  }
  return limit;
}

}  // namespace hindscan::bench
