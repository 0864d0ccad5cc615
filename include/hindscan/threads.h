// How many cores the library takes.
#pragma once

namespace hindscan {

// Requests run on the OpenMP threads of the thread that makes them: one per core, or as OMP_NUM_THREADS and
// omp_set_num_threads() say. From this call on, those of the calling thread take fewer while other processes want the
// cores, as the program's do; without it a busy machine may make them many times slower. Results stay the same.
void share_cores();

}  // namespace hindscan
