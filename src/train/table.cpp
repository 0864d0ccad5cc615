#include "train/table.h"

#include <algorithm>

#include "base/counted.h"
#include "base/error.h"

namespace hindscan {
namespace {

// The separator of a first row that may go on over several lines inside quotes.
char separator_of(std::string_view text) {
  constexpr char kinds[] = {',', ';', '\t'};
  int64_t counts[3] = {};
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '\n') break;
    for (size_t k = 0; k < 3; ++k) counts[k] += c == kinds[k];
  }
  return kinds[std::max_element(counts, counts + 3) - counts];
}

class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& label) : text_(text), label_(label), comma_(separator_of(text)) {}

  std::vector<TableRow> rows() {
    std::vector<TableRow> out;
    while (at_ < text_.size()) {
      TableRow row = next_row();
      if (row.cells.size() == 1 && row.cells[0].find_first_not_of(" \t") == std::string::npos) continue;
      check(out.empty() || row.cells.size() == out[0].cells.size(), ErrorCode::kData,
            "[{} line {}] expected {} as in the first row, found {}; put texts that hold '{}' in double quotes", label_,
            row.line, counted(out.empty() ? 0 : out[0].cells.size(), "cell"), row.cells.size(), comma_);
      out.push_back(std::move(row));
    }
    return out;
  }

 private:
  bool ends_line() const { return at_ >= text_.size() || text_[at_] == '\n'; }

  TableRow next_row() {
    TableRow row;
    row.line = line_;
    for (;;) {
      row.cells.push_back(at_ < text_.size() && text_[at_] == '"' ? quoted() : plain());
      if (ends_line()) break;
      ++at_;  // the separator
    }
    ++at_;
    ++line_;
    return row;
  }

  std::string plain() {
    const size_t begin = at_;
    while (!ends_line() && text_[at_] != comma_) ++at_;
    std::string_view cell = text_.substr(begin, at_ - begin);
    if (ends_line() && cell.ends_with('\r')) cell.remove_suffix(1);
    return std::string(cell);
  }

  std::string quoted() {
    std::string out;
    const int64_t begin = line_;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\n') ++line_;
      if (text_[at_] != '"') {
        out += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        out += text_[at_++];
      } else {
        break;
      }
    }
    check(at_ < text_.size(), ErrorCode::kData, "[{} line {}] expected a closing quote, found the end of the file",
          label_, begin);
    ++at_;
    if (at_ < text_.size() && text_[at_] == '\r') ++at_;
    check(ends_line() || text_[at_] == comma_, ErrorCode::kData,
          "[{} line {}] expected '{}' after a closing quote, found '{}'; a quote inside a quoted cell is written twice",
          label_, line_, comma_, text_[std::min(at_, text_.size() - 1)]);
    return out;
  }

  std::string_view text_;
  const std::string& label_;
  char comma_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

}  // namespace

std::vector<TableRow> parse_tsv(std::string_view text) {
  std::vector<TableRow> out;
  for (int64_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view rest = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (rest.ends_with('\r')) rest.remove_suffix(1);
    if (rest.find_first_not_of(" \t") == std::string_view::npos) continue;
    TableRow row;
    row.line = line;
    for (;;) {
      const size_t tab = std::min(rest.find('\t'), rest.size());
      row.cells.emplace_back(rest.substr(0, tab));
      if (tab == rest.size()) break;
      rest.remove_prefix(tab + 1);
    }
    out.push_back(std::move(row));
  }
  return out;
}

std::vector<TableRow> parse_csv(std::string_view text, const std::string& label) {
  return CsvReader(text, label).rows();
}

}  // namespace hindscan
