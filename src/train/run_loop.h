// The steps of a run, with what happens between them: checkpoints, evaluation, stopping, the log.
#pragma once
#include "train/run.h"

namespace hindscan {

inline Fs& file_system(const TrainEvents& events) { return events.fs != nullptr ? *events.fs : real_fs(); }

// resumed: the trainer stands where the newest checkpoint stood.
TrainReport run_loop(Trainer& trainer, const TrainEvents& events, bool resumed);

}  // namespace hindscan
