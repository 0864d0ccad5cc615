// A run directory is complete and may come from anybody: what a run reads besides its text is kept inside, and no path
// that a checkpoint names is ever opened.
#pragma once
#include <string>

#include "base/fs.h"
#include "train/options.h"

namespace hindscan {

// Error(kData) for a link, pipe or device where a run directory has plain files and folders.
void check_run_dir(Fs& fs, const std::string& run_dir);

// Copies the held-out text, labels and vectors to <out>/inputs and lets the options name the copies.
void keep_inputs(Fs& fs, TrainOptions& options);

// On resume: files given again are kept anew, the others are those inside; Error(kUsage) says what to type for one that
// is missing. The log is <out>/log.jsonl.
void take_inputs(Fs& fs, const TrainOverrides& given, TrainOptions& options);

}  // namespace hindscan
