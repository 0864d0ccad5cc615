// Untrusted text for a terminal: nothing that moves the cursor, changes colours, hides or reorders text gets through.
#pragma once
#include <string>
#include <string_view>

namespace hindscan {

struct Printable {
  std::string text;
  int width = 0;           // cells
  bool ends_line = false;  // the source ended with a newline
};

// Newline as U+23CE, tab as U+21E5, other controls, format and bidi characters as \x1b or \u202e, bytes that are not
// UTF-8 as <E2>. More than max_width cells are cut with an ellipsis.
Printable printable(std::string_view bytes, int max_width = 1 << 20);

// For messages and running text: keeps newline and tab as they are.
std::string printable_lines(std::string_view bytes);

std::string pad_right(const Printable& p, int width);

}  // namespace hindscan
