#include "io/libraries.h"

#include <fmt/format.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <png.h>
#include <simdjson.h>
#include <utf8proc.h>

namespace hindscan {

static std::string pcre2_version() {
  std::string out(64, '\0');
  const int size = pcre2_config(PCRE2_CONFIG_VERSION, out.data());  // with the final zero
  out.resize(size > 0 ? static_cast<size_t>(size) - 1 : 0);
  return out.substr(0, out.find(' '));
}

std::vector<LibraryVersion> io_libraries() {
  return {{"simdjson", fmt::format("{}.{}.{}", int{simdjson::SIMDJSON_VERSION_MAJOR},
                                   int{simdjson::SIMDJSON_VERSION_MINOR}, int{simdjson::SIMDJSON_VERSION_REVISION})},
          {"libpng", png_get_libpng_ver(nullptr)},
          {"PCRE2", pcre2_version()},
          {"utf8proc", utf8proc_version()}};
}

}  // namespace hindscan
