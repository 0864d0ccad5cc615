#include "base/denormals.h"

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace hindscan {

void flush_denormals() {
#if defined(__x86_64__)
  constexpr unsigned kFlushResults = 0x8000, kReadAsZero = 0x0040;  // of MXCSR
  _mm_setcsr(_mm_getcsr() | kFlushResults | kReadAsZero);
#elif defined(__aarch64__)
  constexpr uint64_t kFlush = uint64_t{1} << 24;  // FPCR.FZ
  uint64_t control = 0;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  asm volatile("msr fpcr, %0" : : "r"(control | kFlush));
#endif
}

}  // namespace hindscan
