// Reading labelled files: columns, objects and arrays become rows of text and label.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <set>

#include "base/error.h"
#include "base/fs.h"
#include "base/mmap.h"
#include "base/utf8.h"
#include "io/json_reader.h"
#include "io/npy.h"
#include "train/labelled.h"

namespace hindscan {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{1} << 36;

struct Cell {
  std::string_view line;
  int64_t number;
};

std::vector<Cell> lines_of(std::string_view text) {
  std::vector<Cell> out;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // byte order mark
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") != std::string_view::npos) out.push_back({line, number});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string where(const std::string& path, int64_t line) { return fmt::format("{} line {}", path, line); }

std::vector<std::string_view> columns_of(const std::string& path, const Cell& cell) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at <= cell.line.size();) {
    const size_t end = std::min(cell.line.find('\t', at), cell.line.size());
    out.push_back(cell.line.substr(at, end - at));
    at = end + 1;
  }
  check(out.size() >= 2, ErrorCode::kData, "[{}] expected a label and a text with a tab between them, found no tab",
        where(path, cell.number));
  return out;
}

// The label is what repeats.
bool label_comes_first(const std::string& path, const std::vector<Cell>& lines) {
  std::set<std::string_view> first, last;
  for (const Cell& cell : lines) {
    const std::vector<std::string_view> columns = columns_of(path, cell);
    first.insert(columns.front());
    last.insert(columns.back());
  }
  check(first.size() != last.size(), ErrorCode::kUsage,
        "[{}] expected the labels to show by their repetition, found as many different first as last columns; add "
        "--label-column N",
        path);
  return first.size() < last.size();
}

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

bool are_fractional(const std::vector<std::string>& labels) {
  return std::all_of(labels.begin(), labels.end(), [](const std::string& l) { return number_of(l).has_value(); }) &&
         !std::all_of(labels.begin(), labels.end(), [](const std::string& l) { return is_integer(l); });
}

// A first row that says "label" over a column where nothing else does names the columns.
bool is_header(std::string_view label, const std::vector<std::string>& labels) {
  const bool named = label == "label" || label == "labels" || label == "class" || label == "target";
  return named && labels.size() > 1 && std::find(labels.begin() + 1, labels.end(), label) == labels.end();
}

LabelledRows read_tsv(const LabelledFiles& files, const std::string& content) {
  LabelledRows out;
  const std::vector<Cell> lines = lines_of(content);
  const bool first = files.label_column == 0 && !lines.empty() && label_comes_first(files.labels, lines);
  for (const Cell& cell : lines) {
    const std::vector<std::string_view> columns = columns_of(files.labels, cell);
    const size_t at = files.label_column > 0 ? static_cast<size_t>(files.label_column) - 1
                      : first                ? 0
                                             : columns.size() - 1;
    check(at < columns.size(), ErrorCode::kData, "[{}] expected a label in column {}, found {} columns",
          where(files.labels, cell.number), at + 1, columns.size());
    check(!columns[at].empty(), ErrorCode::kData, "[{}] expected a label in column {}, found nothing",
          where(files.labels, cell.number), at + 1);
    std::string text;
    for (size_t c = 0; c < columns.size(); ++c) {
      if (c == at) continue;
      if (!text.empty()) text += '\t';
      text += columns[c];
    }
    out.labels.emplace_back(columns[at]);
    out.texts.push_back(std::move(text));
    out.lines.push_back(cell.number);
  }
  if (!out.labels.empty() && is_header(out.labels[0], out.labels)) {
    out.labels.erase(out.labels.begin());
    out.texts.erase(out.texts.begin());
    out.lines.erase(out.lines.begin());
  }
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
  bool numbers = true, fraction = false;
  for (const Cell& cell : lines_of(content)) {
    const std::string at = where(files.labels, cell.number);
    const Json json = parse_json(cell.line, at);
    check(json.is_object(), ErrorCode::kData, "[{}] expected an object, found {}", at, json.type_name());
    const JsonReader object(json, at);
    check(object.has(files.text_field), ErrorCode::kData,
          "[{}] expected a text, found none; name its field with --text-field", object.where(files.text_field));
    out.texts.push_back(object.get_string(files.text_field));
    out.labels.push_back(label_text(object, files.label_field));
    out.lines.push_back(cell.number);
    const Json& label = *json.find(files.label_field);
    numbers &= label.is_number();
    fraction |= label.is(Json::Type::kDouble);
  }
  out.fractional = numbers && fraction;
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
  out.fractional = a.type == NpyType::kFloat32 || a.type == NpyType::kFloat64;
  for (size_t i = 0; i < elements(a); ++i) out.labels.push_back(label_at(a, i));
  for (size_t i = 0; i < a.shape[0]; ++i) out.lines.push_back(static_cast<int64_t>(i) + 1);
  return out;
}

}  // namespace

LabelledFiles training_files(const TrainOptions& o) {
  return {o.labels, o.features, o.label_column, o.text_field, o.label_field};
}
LabelledFiles held_out_files(const TrainOptions& o) {
  return {o.valid, o.valid_features, o.label_column, o.text_field, o.label_field};
}

void check_kinds(const LabelledFiles& files) {
  const bool array = files.labels.ends_with(".npy");
  check(array == !files.features.empty(), ErrorCode::kUsage, "[{}] expected {}", files.labels,
        array ? "the sequences of these labels; add --features FILE.npy (--valid-features of held-out ones)"
              : "labels in a .npy file beside features in one, found another file");
}

LabelledRows read_labelled(const LabelledFiles& files) {
  check_kinds(files);
  const bool array = files.labels.ends_with(".npy");
  const std::string content = read_file(files.labels, kMaxBytes);
  const bool objects = files.labels.ends_with(".jsonl") || files.labels.ends_with(".ndjson");
  LabelledRows out = array     ? read_label_array(files, content)
                     : objects ? read_jsonl(files, content)
                               : read_tsv(files, content);
  out.path = files.labels;
  check(!out.labels.empty(), ErrorCode::kData, "[{}] expected labelled sequences, found none", files.labels);
  return out;
}

FeatureArray read_features(const std::string& path) {
  const std::string content = read_file(path, kMaxBytes);
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
    return o;
  }
  check(rows.outputs == 1, ErrorCode::kData, "[{}] expected one class a sequence, found {} numbers; add --regression",
        rows.path, rows.outputs);
  const std::set<std::string> distinct(rows.labels.begin(), rows.labels.end());
  o.label_names.assign(distinct.begin(), distinct.end());
  if (std::all_of(distinct.begin(), distinct.end(), [](const std::string& l) { return is_integer(l); })) {
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
  constexpr int64_t kMostLabels = 100000;
  check(o.num_labels <= kMostLabels, ErrorCode::kData,
        "[{}] expected at most {} different labels, found {}; is the label column right?", rows.path, kMostLabels,
        o.num_labels);
  return o;
}

}  // namespace hindscan
