// Reading labelled files: the rows of a table and the objects of a file of lines become rows of text and label.
#include <algorithm>

#include "base/budget.h"
#include "base/counted.h"
#include "base/error.h"
#include "base/fs.h"
#include "io/json_reader.h"
#include "io/text_file.h"
#include "train/columns.h"
#include "train/label_kinds.h"
#include "train/labelled.h"
#include "train/labelled_arrays.h"

namespace hindscan {
namespace {

std::string where(const std::string& path, int64_t line) { return fmt::format("{} line {}", path, line); }

// "column 2 "sentiment"".
std::string column_name(const std::vector<TableRow>& rows, const Columns& c, size_t column) {
  if (column >= rows[0].cells.size()) return "the last column";
  return fmt::format("column {}{}", column + 1, c.header ? fmt::format(" \"{}\"", rows[0].cells[column]) : "");
}

std::string columns_note(const LabelledFiles& files, const std::vector<TableRow>& rows, const Columns& c,
                         size_t count) {
  return fmt::format("{}: {}; the label is {}, the text {}{}", files.labels, counted(count, "sequence"),
                     column_name(rows, c, c.label), c.rest ? "the rest of the line" : column_name(rows, c, c.text),
                     c.header ? fmt::format("; line {} names the columns", rows[0].line) : "");
}

std::string rest_of(const TableRow& row, size_t label) {
  std::string text;
  for (size_t c = 0; c < row.cells.size(); ++c) {
    if (c == label) continue;
    if (!text.empty()) text += '\t';
    text += row.cells[c];
  }
  return text;
}

LabelledRows read_table(const LabelledFiles& files, const std::vector<TableRow>& rows) {
  const Columns c = choose_columns(rows, files);
  LabelledRows out;
  for (size_t r = c.header ? 1 : 0; r < rows.size(); ++r) {
    const TableRow& row = rows[r];
    const size_t label = std::min(c.label, row.cells.size() - 1);
    check(!row.cells[label].empty(), ErrorCode::kData, "[{}] expected a label in column {}, found nothing",
          where(files.labels, row.line), label + 1);
    out.labels.push_back(row.cells[label]);
    out.texts.push_back(c.rest ? rest_of(row, label) : row.cells[c.text]);
    out.lines.push_back(row.line);
  }
  out.notes.push_back(columns_note(files, rows, c, out.labels.size()));
  out.fractional = are_fractional(out.labels);
  return out;
}

std::string label_text(const JsonReader& object, const std::string& field) {
  check(object.has(field), ErrorCode::kData, "[{}] expected a label, found none; name the label field",
        object.where(field));
  const Json& v = *object.value().find(field);
  check(v.is_string() || v.is_number() || v.is(Json::Type::kBool), ErrorCode::kData,
        "[{}] expected a string, a number or true or false, found {}", object.where(field), v.type_name());
  return v.is_string() ? v.as_string() : to_string(v);
}

LabelledRows read_jsonl(const LabelledFiles& files, const std::string& content) {
  LabelledRows out;
  bool numbers = true;
  int64_t number = 0;
  for (std::string_view rest = content; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string at = where(files.labels, number);
    const Json json = parse_json(line, at);
    check(json.is_object(), ErrorCode::kData, "[{}] expected an object, found {}", at, json.type_name());
    const JsonReader object(json, at);
    check(object.has(files.text_field), ErrorCode::kData, "[{}] expected a text, found none; name the text field",
          object.where(files.text_field));
    out.texts.push_back(object.get_string(files.text_field));
    out.labels.push_back(label_text(object, files.label_field));
    out.lines.push_back(number);
    numbers &= json.find(files.label_field)->is_number();
  }
  out.notes.push_back(fmt::format("{}: {}; the label is \"{}\", the text \"{}\"", files.labels,
                                  counted(out.labels.size(), "sequence"), files.label_field, files.text_field));
  out.fractional = numbers && are_fractional(out.labels);
  return out;
}

LabelledFiles files_of(const TrainOptions& o, const std::string& labels, const std::string& features) {
  return {o.given_name(labels),
          o.given_name(features),
          o.label_column,
          o.text_column,
          o.header,
          o.text_field,
          o.label_field,
          {},
          labels,
          features};
}

}  // namespace

LabelledFiles training_files(const TrainOptions& o) { return files_of(o, o.labels, o.features); }
LabelledFiles held_out_files(const TrainOptions& o) { return files_of(o, o.valid, o.valid_features); }

void check_kinds(const LabelledFiles& files) {
  const bool array = files.labels.ends_with(".npy");
  check(array == !files.features.empty(), ErrorCode::kUsage, "[{}] expected {}", files.labels,
        array ? "the sequences of these labels as features in a .npy file (valid features of held-out ones)"
              : "labels in a .npy file beside features in one, found another file");
}

LabelledRows read_labelled(const LabelledFiles& files) {
  check_kinds(files);
  const bool array = files.labels.ends_with(".npy");
  const bool objects = files.labels.ends_with(".jsonl") || files.labels.ends_with(".ndjson");
  const uint64_t most = Budget::of_machine(files.labels).left();
  std::string content = read_file(files.labels_at.empty() ? files.labels : files.labels_at, most);
  int64_t crlf = 0;
  if (!array) {
    TextFile text = text_of_bytes(std::move(content), files.labels);
    content = std::move(text.text);
    crlf = text.crlf;
  }
  const auto table = [&] {
    return files.labels.ends_with(".csv") ? parse_csv(content, files.labels) : parse_tsv(content);
  };
  LabelledRows out = array     ? read_label_array(files, content)
                     : objects ? read_jsonl(files, content)
                               : read_table(files, table());
  out.path = files.labels;
  if (crlf > 0) out.notes.push_back(fmt::format("{}: {} line ends CR LF are read as LF", out.path, crlf));
  check(!out.labels.empty(), ErrorCode::kData, "[{}] expected labelled sequences, found none", files.labels);
  return out;
}

}  // namespace hindscan
