#include "base/denormals.h"

#include <omp.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace hindscan {
namespace {

#if defined(__x86_64__)
constexpr uint64_t kFlush = 0x8000 | 0x0040;  // of MXCSR: results, and what is read
uint64_t control() { return _mm_getcsr(); }
void set_control(uint64_t value) { _mm_setcsr(static_cast<unsigned>(value)); }
#elif defined(__aarch64__)
constexpr uint64_t kFlush = uint64_t{1} << 24;  // FPCR.FZ
uint64_t control() {
  uint64_t value = 0;
  asm volatile("mrs %0, fpcr" : "=r"(value));
  return value;
}
void set_control(uint64_t value) { asm volatile("msr fpcr, %0" : : "r"(value)); }
#else
constexpr uint64_t kFlush = 0;
uint64_t control() { return 0; }
void set_control(uint64_t) {}
#endif

template <class F>
void on_team(size_t threads, const F& f) {
#pragma omp parallel num_threads(static_cast <int>(threads))
  f(static_cast<size_t>(omp_get_thread_num()));
}

}  // namespace

void flush_denormals() { set_control(control() | kFlush); }

FlushedDenormals::FlushedDenormals() {
  if ((control() & kFlush) == kFlush) return;
  before_.assign(static_cast<size_t>(omp_get_max_threads()), control());
  on_team(before_.size(), [&](size_t thread) {
    before_[thread] = control();
    flush_denormals();
  });
}

FlushedDenormals::~FlushedDenormals() {
  if (before_.empty()) return;
  on_team(before_.size(), [&](size_t thread) { set_control(before_[thread]); });
}

}  // namespace hindscan
