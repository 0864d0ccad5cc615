// Reading labelled files: columns, objects and arrays become rows of text and label.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <set>

#include "base/budget.h"
#include "base/counted.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mmap.h"
#include "base/utf8.h"
#include "io/json_reader.h"
#include "io/npy.h"
#include "io/text_file.h"
#include "train/columns.h"
#include "train/labelled.h"

namespace hindscan {
namespace {

std::string where(const std::string& path, int64_t line) { return fmt::format("{} line {}", path, line); }

std::optional<double> number_of(std::string_view text) {
  double v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(v) ? std::optional(v) : std::nullopt;
}

bool is_integer(std::string_view text) {
  int64_t v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  return error == std::errc() && end == text.data() + text.size();
}

// Numbers to predict rather than names: written with a point, unless there are but two of them.
bool are_fractional(const std::vector<std::string>& labels) {
  std::set<double> values;
  bool point = false, fraction = false;
  for (const std::string& label : labels) {
    const std::optional<double> v = number_of(label);
    if (!v) return false;
    values.insert(*v);
    point |= !is_integer(label);
    fraction |= *v != std::floor(*v);
  }
  const bool two = values.size() <= 2 && (!fraction || labels.size() >= 2 * values.size());
  return point && !two;
}

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
  check(object.has(field), ErrorCode::kData, "[{}] expected a label, found none; name its field with --label-field",
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
    check(object.has(files.text_field), ErrorCode::kData,
          "[{}] expected a text, found none; name its field with --text-field", object.where(files.text_field));
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

template <class T>
T element(const NpyArray& a, size_t i) {
  T v;
  std::memcpy(&v, a.bytes.data() + i * sizeof v, sizeof v);
  return v;
}

uint64_t elements(const NpyArray& a) {
  uint64_t n = 1;
  for (const uint64_t d : a.shape) n *= d;
  return n;
}

std::string label_at(const NpyArray& a, size_t i) {
  switch (a.type) {
    case NpyType::kFloat32:
      return fmt::format("{}", element<float>(a, i));
    case NpyType::kFloat64:
      return fmt::format("{}", element<double>(a, i));
    case NpyType::kInt32:
      return std::to_string(element<int32_t>(a, i));
    case NpyType::kInt64:
      return std::to_string(element<int64_t>(a, i));
    case NpyType::kUint8:
      return std::to_string(element<uint8_t>(a, i));
    case NpyType::kText:  // parse_npy refuses it
      break;
  }
  return {};
}

LabelledRows read_label_array(const LabelledFiles& files, const std::string& content) {
  const NpyArray a = parse_npy(as_bytes(content), files.labels);
  check(a.shape.size() == 1 || a.shape.size() == 2, ErrorCode::kData,
        "[{}] expected labels of shape [N] or [N, numbers], found [{}]", files.labels, fmt::join(a.shape, ", "));
  LabelledRows out;
  out.outputs = a.shape.size() == 2 ? static_cast<int64_t>(a.shape[1]) : 1;
  check(out.outputs >= 1, ErrorCode::kData, "[{}] expected at least one label a sequence, found none", files.labels);
  for (size_t i = 0; i < elements(a); ++i) out.labels.push_back(label_at(a, i));
  const bool real = a.type == NpyType::kFloat32 || a.type == NpyType::kFloat64;
  const std::set<std::string_view> values(out.labels.begin(), out.labels.end());
  out.fractional = real && (values.size() > 2 || out.outputs > 1 || are_fractional(out.labels));
  for (size_t i = 0; i < a.shape[0]; ++i) out.lines.push_back(static_cast<int64_t>(i) + 1);
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
        array ? "the sequences of these labels; add --features FILE.npy (--valid-features of held-out ones)"
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

FeatureArray read_features(const std::string& file, const std::string& name) {
  const std::string& path = name.empty() ? file : name;
  Budget budget = Budget::of_machine(path);
  const std::string content = read_file(file, budget.left());
  const NpyArray a = parse_npy(as_bytes(content), path);
  const size_t rank = a.shape.size();
  check(rank == 2 || rank == 3, ErrorCode::kData,
        "[{}] expected features of shape [sequences, tokens, numbers] or [sequences, numbers], found [{}]; "
        "sequences of different lengths go into separate files",
        path, fmt::join(a.shape, ", "));
  check(elements(a) > 0, ErrorCode::kData, "[{}] expected features, found an empty array [{}]", path,
        fmt::join(a.shape, ", "));
  const bool known = a.type == NpyType::kFloat32 || a.type == NpyType::kFloat64 || a.type == NpyType::kUint8;
  check(known, ErrorCode::kData, "[{}] expected features of type float32, float64 or uint8, found integers", path);
  FeatureArray out;
  out.count = static_cast<int64_t>(a.shape[0]);
  out.length = rank == 3 ? static_cast<int64_t>(a.shape[1]) : 1;
  out.dim = static_cast<int64_t>(a.shape[rank - 1]);
  budget.take(elements(a), sizeof(float), "numbers");
  out.values.resize(elements(a));
  for (size_t i = 0; i < out.values.size(); ++i) {
    float v = 0;
    if (a.type == NpyType::kFloat32) v = element<float>(a, i);
    if (a.type == NpyType::kFloat64) v = static_cast<float>(element<double>(a, i));
    if (a.type == NpyType::kUint8) v = element<uint8_t>(a, i);
    check(std::isfinite(v), ErrorCode::kData, "[{}] expected finite numbers, found {} in sequence {}", path, v,
          i / (out.values.size() / a.shape[0]) + 1);
    out.values[i] = v;
  }
  return out;
}

ClassifierOptions label_options(const LabelledRows& rows, bool regression, int64_t feature_dim) {
  ClassifierOptions o;
  o.feature_dim = feature_dim;
  o.regression = regression || rows.fractional;
  if (o.regression) {
    o.num_labels = rows.outputs;
    log_info("{}: the labels are numbers to predict (a regression)", rows.path);
    return o;
  }
  check(rows.outputs == 1, ErrorCode::kData, "[{}] expected one class a sequence, found {} numbers; add --regression",
        rows.path, rows.outputs);
  const std::set<std::string> distinct(rows.labels.begin(), rows.labels.end());
  o.label_names.assign(distinct.begin(), distinct.end());
  if (std::all_of(distinct.begin(), distinct.end(), [](const std::string& l) { return number_of(l).has_value(); })) {
    std::sort(o.label_names.begin(), o.label_names.end(),
              [](const auto& a, const auto& b) { return *number_of(a) < *number_of(b); });
  }
  for (const std::string& name : o.label_names) {
    check(valid_utf8(name), ErrorCode::kData, "[{}] expected labels in UTF-8, found other bytes; convert the file",
          rows.path);
  }
  o.num_labels = std::ssize(o.label_names);
  check(o.num_labels >= 2, ErrorCode::kData, "[{}] expected at least two different labels, found only \"{}\"",
        rows.path, o.label_names[0]);
  constexpr size_t kShown = 10;
  const auto shown = static_cast<std::ptrdiff_t>(std::min(kShown, o.label_names.size()));
  log_info("{}: {}: {}{}", rows.path, counted(o.num_labels, "class", "classes"),
           fmt::join(o.label_names.begin(), o.label_names.begin() + shown, ", "),
           o.label_names.size() > kShown ? ", ..." : "");
  constexpr auto kMostLabels = static_cast<int64_t>(limit::kLabels);
  check(o.num_labels <= kMostLabels, ErrorCode::kData,
        "[{}] expected at most {} different labels, found {}; is the label column right?", rows.path, kMostLabels,
        o.num_labels);
  return o;
}

}  // namespace hindscan
