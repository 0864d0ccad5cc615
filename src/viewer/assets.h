// The page's static files, embedded at build time (cmake/embed.cmake).
#pragma once
#include <string_view>

namespace hindscan::viewer {

struct Asset {
  std::string_view text;
  std::string_view sha256;  // hex
};

extern const Asset kShell;   // page/shell.html
extern const Asset kScript;  // page/*.js, one after the other
extern const Asset kStyle;   // page/style.css

}  // namespace hindscan::viewer
