// What the processor offers and what HINDSCAN_FORCE_ISA (scalar | sse4 | avx2 | avx512 | avx512_bf16) leaves of it.
#pragma once
#include <string>

namespace hindscan {

enum class Isa : int { kScalar = 0, kSse4, kAvx2, kAvx512, kAvx512Bf16 };

Isa detected_isa();  // best level this CPU has
Isa allowed_isa();   // min(detected, HINDSCAN_FORCE_ISA); read once. An unknown value throws Error(kUsage).
const char* isa_name(Isa);
std::string cpu_model();  // e.g. "AMD EPYC 9R14"
int num_threads();        // of the current OpenMP setting

}  // namespace hindscan
