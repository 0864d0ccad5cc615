// Text of a generation as it may be shown: whole code points only, and nothing that could still become a stop string.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace hindscan {

class TextStream {
 public:
  explicit TextStream(std::vector<std::string> stop = {});  // Error(kUsage) for an empty stop string

  // Adds the bytes of one token and returns what can be shown now. Nothing more comes after stopped().
  std::string push(std::string_view bytes);
  // What was held back, at the end of a generation.
  std::string finish();
  bool stopped() const { return stopped_; }
  const std::string& stop_string() const { return stop_[which_]; }

 private:
  size_t held_back() const;

  std::vector<std::string> stop_;
  std::string pending_;
  size_t which_ = 0;
  bool stopped_ = false;
};

}  // namespace hindscan
