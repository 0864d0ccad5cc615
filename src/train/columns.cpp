#include "train/columns.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "base/counted.h"
#include "base/error.h"
#include "base/utf8.h"
#include "train/label_kinds.h"

namespace hindscan {
namespace {

constexpr std::string_view kLabelNames[] = {"label",    "labels",   "class", "classes", "target",    "sentiment",
                                            "category", "rating",   "stars", "score",   "emotion",   "intent",
                                            "topic",    "polarity", "tag",   "gold",    "annotation"};
constexpr std::string_view kTextNames[] = {"text",    "texts",    "sentence",    "review",   "review_text", "content",
                                           "body",    "message",  "comment",     "tweet",    "document",    "question",
                                           "article", "headline", "description", "utterance"};
constexpr size_t kLongestLabel = 80;  // bytes
constexpr size_t kSmall = 8;          // rows among which little repeats

std::string lower(std::string_view text) {
  std::string out;
  for (const char c : text) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

template <size_t N>
bool is_one_of(const std::string& cell, const std::string_view (&names)[N]) {
  return std::find(std::begin(names), std::end(names), lower(cell)) != std::end(names);
}

// What a column holds below the first row or with it.
struct Column {
  std::map<std::string_view, int64_t> counts;
  size_t longest = 0, bytes = 0, spaced = 0, numbers = 0, points = 0, known = 0, rows = 0;

  bool repeats() const { return counts.size() >= 2 && 2 * counts.size() <= rows && longest <= kLongestLabel; }
  bool all_numbers() const { return rows > 0 && numbers == rows; }
  bool reads() const { return 2 * spaced >= rows; }
};

class Chooser {
 public:
  Chooser(const std::vector<TableRow>& rows, const LabelledFiles& files) : rows_(rows), files_(files) {
    check(!rows.empty(), ErrorCode::kData, "[{}] expected labelled sequences, found none", files.labels);
    size_t most = 0;
    width_ = rows[0].cells.size();
    for (const TableRow& row : rows) {
      check(row.cells.size() >= 2, ErrorCode::kData,
            "[{} line {}] expected a label and a text with a tab between them, found no tab; a table of commas is "
            "named .csv",
            files.labels, row.line);
      width_ = std::min(width_, row.cells.size());
      most = std::max(most, row.cells.size());
    }
    ragged_ = most != width_;
  }

  Columns choose() {
    Columns out;
    out.header = has_header();
    look(out.header ? 1 : 0);
    check(first_ < rows_.size(), ErrorCode::kData, "[{}] expected labelled sequences below the header, found none",
          files_.labels);
    out.rest = ragged_ && files_.text_column == 0;
    if (out.rest) {
      out.label = files_.label_column > 0 ? asked(files_.label_column, "label") : ragged_label();
    } else {
      out.label = files_.label_column > 0 ? asked(files_.label_column, "label") : label_column(out.header);
      out.text = files_.text_column > 0 ? asked(files_.text_column, "text") : text_column(out.header, out.label);
      check(out.label != out.text, ErrorCode::kUsage,
            "[{}] expected labels and texts in different columns, found {} for both", files_.labels, out.label + 1);
    }
    if (!out.header) ask_about_first_row(out.label);
    return out;
  }

 private:
  std::string_view cell(size_t row, size_t column) const { return rows_[row].cells[column]; }
  bool at_end(size_t column) const { return ragged_ && column + 1 == columns_.size(); }
  // Of rows of different widths: the first column, and the last wherever it is.
  std::string_view value(size_t row, size_t column) const {
    return at_end(column) ? std::string_view(rows_[row].cells.back()) : cell(row, column);
  }

  void look(size_t first) {
    first_ = first;
    columns_.assign(ragged_ ? 2 : width_, {});
    const std::set<std::string_view> known(files_.known_labels.begin(), files_.known_labels.end());
    for (size_t c = 0; c < columns_.size(); ++c) {
      Column& column = columns_[c];
      for (size_t r = first; r < rows_.size(); ++r) {
        const std::string_view v = value(r, c);
        const std::optional<double> number = number_of(v);
        ++column.rows;
        ++column.counts[v];
        column.longest = std::max(column.longest, v.size());
        column.bytes += v.size();
        column.spaced += v.find(' ') != std::string_view::npos;
        column.numbers += number.has_value();
        column.points += number && v.find('.') != std::string_view::npos;
        column.known += known.contains(v);
      }
    }
  }

  size_t asked(int64_t column, const char* what) const {
    for (const TableRow& row : rows_) {
      check(static_cast<size_t>(column) <= row.cells.size(), ErrorCode::kData,
            "[{} line {}] expected a {} in column {}, found {}", files_.labels, row.line, what, column,
            counted(row.cells.size(), "column"));
    }
    return static_cast<size_t>(column) - 1;
  }

  // A name of a column stands in the first row alone.
  bool names_column(size_t c) const {
    const std::string& first = rows_[0].cells[c];
    const bool name = first == files_.label_field || first == files_.text_field || is_one_of(first, kLabelNames) ||
                      is_one_of(first, kTextNames);
    return name && columns_[c].counts.find(first)->second == 1;
  }
  // Words over a column of numbers.
  bool heads_numbers(size_t c) const {
    return rows_.size() > 2 && !number_of(rows_[0].cells[c]) && columns_[c].numbers + 1 == rows_.size();
  }

  bool has_header() {
    if (files_.header != "auto") return files_.header == "yes";
    look(0);
    if (ragged_ || rows_.size() < 2) return false;
    for (size_t c = 0; c < columns_.size(); ++c) {
      if (names_column(c) || heads_numbers(c)) return true;
    }
    return false;
  }

  // The only column for which `is` holds.
  template <class Is>
  std::optional<size_t> only(Is&& is) const {
    std::optional<size_t> found;
    for (size_t c = 0; c < columns_.size(); ++c) {
      if (!is(c)) continue;
      if (found) return std::nullopt;
      found = c;
    }
    return found;
  }

  template <size_t N>
  std::optional<size_t> by_name(const std::string& field, const std::string_view (&names)[N]) const {
    if (const auto exact = only([&](size_t c) { return cell(0, c) == field; })) return exact;
    return only([&](size_t c) { return is_one_of(rows_[0].cells[c], names); });
  }

  std::optional<size_t> by_repetition() const {
    if (columns_.size() > 2) return only([&](size_t c) { return columns_[c].repeats(); });
    const size_t a = columns_[0].counts.size(), b = columns_[1].counts.size(), n = rows_.size() - first_;
    const size_t fewer = a < b ? 0 : 1;
    const bool clear = 2 * std::min(a, b) <= std::max(a, b) || (n <= kSmall && a != b);
    if (clear && columns_[fewer].longest <= kLongestLabel) return fewer;
    return only([&](size_t c) { return columns_[c].all_numbers() && columns_[c].points > 0; });
  }

  std::optional<size_t> by_known_labels() const {
    if (files_.known_labels.empty()) return std::nullopt;
    return only([&](size_t c) { return 2 * columns_[c].known >= columns_[c].rows; });
  }

  size_t label_column(bool header) const {
    if (header) {
      if (const auto c = by_name(files_.label_field, kLabelNames)) return *c;
    }
    if (const auto c = by_known_labels()) return *c;
    if (const auto c = by_repetition()) return *c;
    ask(files_.text_column > 0 ? "the label column" : "the label column and of the text column");
  }

  size_t text_column(bool header, size_t label) const {
    if (columns_.size() == 2) return 1 - label;
    if (header) {
      const auto c = by_name(files_.text_field, kTextNames);
      if (c && *c != label) return *c;
    }
    std::vector<size_t> others;
    for (size_t c = 0; c < columns_.size(); ++c) {
      if (c != label) others.push_back(c);
    }
    std::sort(others.begin(), others.end(), [&](size_t a, size_t b) { return columns_[a].bytes > columns_[b].bytes; });
    const bool clear = columns_[others[0]].reads() && columns_[others[0]].bytes >= 2 * columns_[others[1]].bytes;
    if (clear) return others[0];
    ask("the text column");
  }

  size_t ragged_label() const {
    const auto c = by_known_labels();
    const std::optional<size_t> found = c ? c : by_repetition();
    check(found.has_value(), ErrorCode::kUsage,
          "[{}] rows, split at {}, have {} or more, and neither the first nor the last shows to be the labels by "
          "its repetition; give the number of the label column and of the text column; a table of commas is named .csv",
          files_.labels, files_.labels.ends_with(".csv") ? "commas" : "tabs", counted(width_, "column"));
    return *found == 0 ? 0 : kLast;
  }

  // A label that only the first row has, where all others repeat, may be a name.
  void ask_about_first_row(size_t label) const {
    if (files_.header != "auto" || rows_.size() <= kSmall) return;
    const size_t c = ragged_ ? (label == 0 ? 0 : 1) : label;
    if (columns_.size() <= c || columns_[c].all_numbers()) return;
    const std::map<std::string_view, int64_t>& counts = columns_[c].counts;
    if (counts.size() < 3 || counts.at(value(0, c)) > 1) return;
    for (const auto& [name, count] : counts) {
      if (count == 1 && name != value(0, c)) return;
    }
    fail(ErrorCode::kUsage,
         "[{}] line 1 may be a header: no other row has the label '{}'; say whether it is: header yes, or header no to "
         "read it as an example",
         files_.labels, replace_invalid_utf8(value(0, c).substr(0, 40)));
  }

  [[noreturn]] void ask(const char* columns) const {
    std::string seen;
    for (size_t c = 0; c < columns_.size(); ++c) {
      const std::string example = replace_invalid_utf8(value(first_, c).substr(0, 30));
      seen += fmt::format("{}column {} '{}{}', {} different", c == 0 ? "" : "; ", c + 1, example,
                          value(first_, c).size() > 30 ? "..." : "", columns_[c].counts.size());
    }
    fail(ErrorCode::kUsage, "[{}] what is label and what is text does not show in {} ({}); give the number of {}",
         files_.labels, counted(rows_.size() - first_, "row"), seen, columns);
  }

  static constexpr size_t kLast = SIZE_MAX;
  const std::vector<TableRow>& rows_;
  const LabelledFiles& files_;
  std::vector<Column> columns_;
  size_t width_ = 0, first_ = 0;
  bool ragged_ = false;
};

}  // namespace

Columns choose_columns(const std::vector<TableRow>& rows, const LabelledFiles& files) {
  return Chooser(rows, files).choose();
}

}  // namespace hindscan
