#include "cli/help.h"

namespace hindscan::cli {

std::string HelpFormatter::make_group(std::string group, bool is_positional,
                                      std::vector<const CLI::Option*> options) const {
  std::string out = CLI::Formatter::make_group(group, is_positional, options);
  return out.starts_with('\n') ? out.substr(1) : out;
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  if (option->get_type_size() == 0) return "";
  const std::string type = option->get_type_name();  // "INT:INT in [1 - 8]", "TEXT:{a,b}"
  return " " + type.substr(0, type.find(':'));
}

std::string HelpFormatter::make_option_desc(const CLI::Option* option) const {
  const std::string value = option->get_default_str();
  return option->get_description() + (value.empty() ? "" : " (default " + value + ")");
}

}  // namespace hindscan::cli
