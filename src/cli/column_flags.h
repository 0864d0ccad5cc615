// Where labels and texts stand in a labelled file, for the commands that read one.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

namespace hindscan::cli {

// They need --labels, which must have been added.
void add_column_flags(CLI::App& app, int64_t& label_column, int64_t& text_column, std::string& header,
                      std::string& label_field, std::string& text_field);

}  // namespace hindscan::cli
