// What a path given as a model is: a directory, a weight file, a run directory, or something to be named in a message.
#pragma once
#include <string>

namespace hindscan {

struct FoundModel {
  std::string path;
  bool directory = false;
};

// The directory of a finished run stands for its model. Error(kNotFound) for nothing and Error(kData) for files and
// directories that hold no model, by what they are.
FoundModel find_model(const std::string& path);

}  // namespace hindscan
