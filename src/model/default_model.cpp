#include <cstdlib>

#include "model/model.h"

namespace hindscan {

std::string default_model_directory() {
  const char* root = std::getenv("HINDSCAN_MODELS");
  return root != nullptr ? join_path(root, "english") : kBuiltInModel;
}

}  // namespace hindscan
