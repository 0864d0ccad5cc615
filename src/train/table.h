// Rows of cells: tab-separated lines, or CSV as RFC 4180 has it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hindscan {

struct TableRow {
  std::vector<std::string> cells;
  int64_t line = 0;  // where it begins, from 1
};

// Blank lines are left out.
std::vector<TableRow> parse_tsv(std::string_view text);
// Cells in double quotes may hold separators, quotes (written twice) and line ends. The separator is the comma,
// semicolon or tab that the first row has most of. Error(kData) names the line of a broken quote, and of a row that
// has not as many cells as the first.
std::vector<TableRow> parse_csv(std::string_view text, const std::string& label);

}  // namespace hindscan
