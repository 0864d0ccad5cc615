// The model a new run begins with: loaded, or with fresh weights of a config.json or a family's preset.
#pragma once
#include "model/model.h"
#include "train/options.h"

namespace hindscan {

Model new_model(const TrainOptions& options);

}  // namespace hindscan
