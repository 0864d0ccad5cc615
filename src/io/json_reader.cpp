#include "io/json_reader.h"

#include <utility>

#include "base/error.h"

namespace hindscan {

JsonReader::JsonReader(const Json& object, std::string file, std::string path)
    : object_(&object), file_(std::move(file)), path_(std::move(path)) {
  check(object.is_object(), ErrorCode::kData, "[{}] expected {} to be an object, found {}", file_,
        path_.empty() ? "the top level" : path_, object.type_name());
}

std::string JsonReader::where(std::string_view key) const {
  return path_.empty() ? fmt::format("{}: {}", file_, key) : fmt::format("{}: {}.{}", file_, path_, key);
}

bool JsonReader::has(std::string_view key) const {
  const Json* found = object_->find(key);
  return found != nullptr && !found->is_null();
}

std::vector<std::string> JsonReader::keys() const {
  std::vector<std::string> names;
  for (const auto& member : object_->members()) names.push_back(member.key);
  return names;
}

const Json& JsonReader::need(std::string_view key) const {
  const Json* found = object_->find(key);
  check(found != nullptr, ErrorCode::kData, "[{}] expected this key, found none", where(key));
  return *found;
}

void JsonReader::wrong(std::string_view key, std::string_view expected, const Json& found) const {
  const bool short_value = !found.is_array() && !found.is_object();
  const std::string text = short_value ? to_string(found) : std::string();
  fail(ErrorCode::kData, "[{}] expected {}, found {}", where(key), expected,
       text.empty() || text.size() > 100 ? std::string(found.type_name()) : text);
}

int64_t JsonReader::to_int(std::string_view key, const Json& value, int64_t low, int64_t high) const {
  if (value.is(Json::Type::kInt) && value.as_int() >= low && value.as_int() <= high) return value.as_int();
  if (low == INT64_MIN && high == INT64_MAX) wrong(key, "an integer", value);
  wrong(key, fmt::format("an integer from {} to {}", low, high), value);
}

int64_t JsonReader::get_int(std::string_view key, int64_t low, int64_t high) const {
  return to_int(key, need(key), low, high);
}

double JsonReader::get_double(std::string_view key) const {
  const Json& value = need(key);
  if (!value.is_number()) wrong(key, "a number", value);
  return value.as_double();
}

bool JsonReader::get_bool(std::string_view key) const {
  const Json& value = need(key);
  if (!value.is(Json::Type::kBool)) wrong(key, "true or false", value);
  return value.as_bool();
}

const std::string& JsonReader::get_string(std::string_view key) const {
  const Json& value = need(key);
  if (!value.is_string()) wrong(key, "a string", value);
  return value.as_string();
}

const Json::Array& JsonReader::get_array(std::string_view key) const {
  const Json& value = need(key);
  if (!value.is_array()) wrong(key, "an array", value);
  return value.items();
}

std::vector<int64_t> JsonReader::get_ints(std::string_view key, int64_t low, int64_t high) const {
  std::vector<int64_t> result;
  for (const Json& item : get_array(key)) result.push_back(to_int(key, item, low, high));
  return result;
}

JsonReader JsonReader::get_object(std::string_view key) const {
  const Json& value = need(key);
  if (!value.is_object()) wrong(key, "an object", value);
  return item(key, value);
}

JsonReader JsonReader::item(std::string_view key, const Json& value) const {
  return JsonReader(value, file_, path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key));
}

int64_t JsonReader::get_int_or(std::string_view key, int64_t fallback, int64_t low, int64_t high) const {
  return has(key) ? get_int(key, low, high) : fallback;
}

double JsonReader::get_double_or(std::string_view key, double fallback) const {
  return has(key) ? get_double(key) : fallback;
}

bool JsonReader::get_bool_or(std::string_view key, bool fallback) const { return has(key) ? get_bool(key) : fallback; }

std::string JsonReader::get_string_or(std::string_view key, std::string_view fallback) const {
  return has(key) ? get_string(key) : std::string(fallback);
}

std::optional<JsonReader> JsonReader::find_object(std::string_view key) const {
  if (!has(key)) return std::nullopt;
  return get_object(key);
}

}  // namespace hindscan
