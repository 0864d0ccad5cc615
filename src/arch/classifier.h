// Any family as a classifier or regressor of whole sequences, as core/classifier_config.h describes it.
#pragma once
#include <memory>

#include "arch/architecture.h"
#include "core/classifier_config.h"

namespace hindscan {

std::unique_ptr<Architecture> make_classifier(const Config& config);  // by make_architecture

}  // namespace hindscan
