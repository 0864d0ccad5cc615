#include "cli/column_flags.h"

#include "cli/command_line.h"

namespace hindscan::cli {

void add_column_flags(CLI::App& app, int64_t& label_column, int64_t& text_column, std::string& header,
                      std::string& label_field, std::string& text_field) {
  constexpr int kMost = 65536;
  app.add_option("--label-column", label_column, "Of a table, from 1 (default: by its header, or by repetition)")
      ->check(whole_between(1, kMost))
      ->needs("--labels");
  app.add_option("--text-column", text_column, "Of a table, from 1 (default: by its header, or the longest)")
      ->check(whole_between(1, kMost))
      ->needs("--labels");
  app.add_option("--header", header, "Whether line 1 of a table names its columns: auto, yes, no")
      ->check(one_of({"auto", "yes", "no"}))
      ->capture_default_str()
      ->needs("--labels");
  app.add_option("--text-field", text_field, "Of a JSONL object, or the name in a header")
      ->capture_default_str()
      ->needs("--labels");
  app.add_option("--label-field", label_field, "Of a JSONL object, or the name in a header")
      ->capture_default_str()
      ->needs("--labels");
}

}  // namespace hindscan::cli
