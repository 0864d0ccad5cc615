#include <hindscan_paths.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "model/model.h"

namespace hindscan {

static bool has_config(const std::string& directory) {
  struct stat st;
  return ::stat((directory + "/config.json").c_str(), &st) == 0;
}

static std::string executable_directory() {
  char buffer[4096];
  const ssize_t n = ::readlink("/proc/self/exe", buffer, sizeof buffer);
  if (n <= 0) return ".";
  return parent_dir(std::string(buffer, static_cast<size_t>(n)));
}

std::string default_model_directory() {
  if (const char* root = std::getenv("HINDSCAN_MODELS")) return join_path(root, "english");
  const std::string installed = executable_directory() + "/../share/hindscan/models/english";
  if (has_config(installed)) return installed;
  return std::string(HINDSCAN_SOURCE_MODELS) + "/english";
}

}  // namespace hindscan
