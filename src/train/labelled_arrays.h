// Labels in a .npy file, beside features in another one (labelled.h).
#pragma once
#include <string>

#include "train/labelled.h"

namespace hindscan {

// Labels [N] or [N, outputs] of the bytes of a .npy file. Error(kData).
LabelledRows read_label_array(const LabelledFiles& files, const std::string& content);

}  // namespace hindscan
