#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

namespace hindscan::cli {
namespace {

std::string_view value(const Environment& env, const char* name) {
  const char* v = env(name);
  return v == nullptr ? std::string_view() : std::string_view(v);
}

ColorDepth depth_of(const Environment& env) {
  const std::string_view colorterm = value(env, "COLORTERM"), term = value(env, "TERM");
  if (colorterm == "truecolor" || colorterm == "24bit" || term.ends_with("-direct")) return ColorDepth::kTrue;
  return term.find("256color") != std::string_view::npos ? ColorDepth::k256 : ColorDepth::k16;
}

}  // namespace

ColorDepth choose_color(const std::string& flag, bool is_terminal, const Environment& env) {
  if (flag == "never") return ColorDepth::kNone;
  if (flag == "always") return depth_of(env);
  if (!value(env, "NO_COLOR").empty()) return ColorDepth::kNone;
  const std::string_view force = value(env, "CLICOLOR_FORCE");
  if (!force.empty() && force != "0") return depth_of(env);
  const std::string_view term = value(env, "TERM");
  return is_terminal && !term.empty() && term != "dumb" ? depth_of(env) : ColorDepth::kNone;
}

// COLORFGBG is "foreground;background" with palette numbers; 7 and 9..15 are light.
bool dark_background(const Environment& env) {
  const std::string_view v = value(env, "COLORFGBG");
  const size_t at = v.rfind(';');
  if (at == std::string_view::npos) return true;
  int number = 0;
  std::from_chars(v.data() + at + 1, v.data() + v.size(), number);
  return number < 7 || number == 8;
}

int terminal_columns(int fd) {
  int columns = 0;
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0) columns = size.ws_col;
  const char* env = std::getenv("COLUMNS");
  if (columns == 0 && env != nullptr) std::from_chars(env, env + std::string_view(env).size(), columns);
  return columns <= 0 ? 80 : std::clamp(columns, 20, 500);
}

}  // namespace hindscan::cli
