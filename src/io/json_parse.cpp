// Strict parser: simdjson's DOM (iterative, validates UTF-8), copied into Json with the checks it does not do. A byte
// order mark at the beginning is skipped.
#include <simdjson.h>

#include <algorithm>

#include "base/counted.h"
#include "base/error.h"
#include "base/mmap.h"
#include "io/byte_order_mark.h"
#include "io/json.h"

namespace hindscan {
namespace {

namespace dom = simdjson::dom;

// Sorting keeps this n log n whatever the keys are; a hash set could be made quadratic by chosen keys.
void reject_duplicates(const Json::Object& object, std::string_view label) {
  std::vector<std::string_view> keys;
  keys.reserve(object.size());
  for (const auto& member : object) keys.push_back(member.key);
  std::sort(keys.begin(), keys.end());
  const auto twice = std::adjacent_find(keys.begin(), keys.end());
  check(twice == keys.end(), ErrorCode::kData, "[{}] expected each key once, found '{}' twice", label,
        twice == keys.end() ? std::string_view() : twice->substr(0, 200));
}

Json convert(dom::element element, std::string_view label);  // recursion is bounded by kJsonDepth

Json convert_array(dom::array source, std::string_view label) {
  Json::Array result;
  result.reserve(source.size());
  for (const dom::element item : source) result.push_back(convert(item, label));
  return Json(std::move(result));
}

Json convert_object(dom::object source, std::string_view label) {
  Json::Object result;
  result.reserve(source.size());
  for (const auto field : source) result.push_back({std::string(field.key), convert(field.value, label)});
  reject_duplicates(result, label);
  return Json(std::move(result));
}

Json convert(dom::element element, std::string_view label) {
  switch (element.type()) {
    case dom::element_type::ARRAY:
      return convert_array(element.get_array().value_unsafe(), label);
    case dom::element_type::OBJECT:
      return convert_object(element.get_object().value_unsafe(), label);
    case dom::element_type::INT64:
      return Json(element.get_int64().value_unsafe());
    case dom::element_type::UINT64:
      return Json(element.get_uint64().value_unsafe());
    case dom::element_type::DOUBLE:
      return Json(element.get_double().value_unsafe());
    case dom::element_type::STRING:
      return Json(element.get_string().value_unsafe());
    case dom::element_type::BOOL:
      return Json(element.get_bool().value_unsafe());
    case dom::element_type::NULL_VALUE:
      break;
  }
  return Json();
}

// simdjson writes two words of tape for a number or list, one for a text, and notes where each begins.
constexpr uint64_t kTapeBytes = 2 * sizeof(uint64_t) + 2 * sizeof(uint32_t);

// Draws what the values of this text will take, counted by the signs between them.
void draw(std::string_view text, std::string_view label) {
  uint64_t members = 0, values = 1;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      ++i;
    } else if (c == '"') {
      in_string = !in_string;
    } else if (!in_string) {
      members += c == ':';
      values += c == ',' || c == '[' || c == '{';
    }
  }
  Budget budget(label, text.size());
  budget.take(members, sizeof(JsonMember) - sizeof(Json) + sizeof(std::string_view) + kTapeBytes, "JSON keys");
  budget.take(values, sizeof(Json) + kTapeBytes, "JSON values");
}

// Whose characters are no bytes: one of the first two is zero, or its mark stands there.
bool is_utf16_or_32(std::string_view text) {
  if (text.size() < 2) return false;
  const std::string_view mark = text.substr(0, 2);
  return mark == "\xff\xfe" || mark == "\xfe\xff" || mark[0] == '\0' || mark[1] == '\0';
}

}  // namespace

Json parse_json(std::string_view text, std::string_view label) {
  check(text.size() <= kJsonBytes, ErrorCode::kResource, "[{}] expected at most {} of JSON, found {}", label,
        allowed_size(kJsonBytes), needed_size(text.size()));
  text = without_byte_order_mark(text);
  check(!is_utf16_or_32(text), ErrorCode::kData,
        "[{}] expected JSON in UTF-8, found UTF-16 or UTF-32; convert it (iconv -f utf-16 -t utf-8)", label);
  draw(text, label);
  dom::parser parser;
  simdjson::error_code error = parser.allocate(std::max<size_t>(text.size(), 32), kJsonDepth);
  if (error == simdjson::SUCCESS) {
    dom::element root;
    // An empty text may have no address at all, which the parser would copy from.
    error = parser.parse(text.empty() ? "" : text.data(), text.size()).get(root);
    if (error == simdjson::SUCCESS) return convert(root, label);
  }
  check(error != simdjson::MEMALLOC, ErrorCode::kResource, "[{}] out of memory while reading {} of JSON", label,
        needed_size(text.size()));
  check(error != simdjson::DEPTH_ERROR, ErrorCode::kData, "[{}] expected JSON nested at most {} deep, found deeper",
        label, kJsonDepth);
  fail(ErrorCode::kData, "[{}] expected valid JSON, found a fault: {}", label, simdjson::error_message(error));
}

Json load_json(const std::string& path) { return parse_json(read_file(path, kJsonBytes), path); }

}  // namespace hindscan
