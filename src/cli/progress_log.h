// Progress as lines of the JSON log: the outermost task, every ten seconds and at its end.
#pragma once
#include <memory>

#include "base/progress.h"

namespace hindscan::cli {

std::unique_ptr<TimedProgress> progress_log(TimedProgress::Now now = TimedProgress::Clock::now);

}  // namespace hindscan::cli
