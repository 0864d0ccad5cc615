#include "io/unknown_keys.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/counted.h"
#include "base/log.h"

namespace hindscan {

void note_unknown_keys(std::string_view file, std::vector<std::string> keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  if (keys.empty()) return;
  constexpr size_t kShown = 10, kLetters = 60;
  std::vector<std::string> shown;
  for (const std::string& key : keys) {
    if (shown.size() < kShown) shown.push_back(key.size() > kLetters ? key.substr(0, kLetters) + "..." : key);
  }
  log_info("[{}] {} that this version does not know {} not used: {}{}", file, counted(keys.size(), "key"),
           keys.size() == 1 ? "was" : "were", fmt::join(shown, ", "), keys.size() > kShown ? ", ..." : "");
}

}  // namespace hindscan
