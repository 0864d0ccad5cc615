// What 'hindscan train' says when a run has ended.
#pragma once
#include <string>

#include "train/run.h"

namespace hindscan::cli {

// To standard output: lines that end with what to do next, or one JSON object (format::kTrainJson).
void print_training(const TrainReport& r, const std::string& run_dir, bool json);

}  // namespace hindscan::cli
