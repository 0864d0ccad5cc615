// What a file written by this program says of itself.
#pragma once
#include <optional>
#include <string>

namespace hindscan {

struct FileFormat {
  std::string name;     // "hindscan.state/2"
  std::string weights;  // hash of the model's weights; empty where the format has none
};

// A state, a single-file model, a JSON document or an NPZ of ours; nothing for other files. Error(kData) for a version
// that this program does not read; it says how to convert it.
std::optional<FileFormat> file_format(const std::string& path);

}  // namespace hindscan
