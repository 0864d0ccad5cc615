#include "io/json.h"

#include <charconv>
#include <cmath>

#include "base/error.h"

namespace hindscan {
namespace {

template <class T, class V>
const T& exactly(const V& value, const Json& json, const char* expected) {
  const T* p = std::get_if<T>(&value);
  check(p != nullptr, ErrorCode::kInternal, "[json] expected {}, found {}", expected, json.type_name());
  return *p;
}

double shortest_of(float v) {
  if (!std::isfinite(v)) return static_cast<double>(v);
  char text[32];
  const auto written = std::to_chars(text, text + sizeof text, v);
  double result = 0;
  std::from_chars(text, written.ptr, result);
  return result;
}

}  // namespace

Json::Json() : value_(nullptr) {}
Json::Json(bool v) : value_(v) {}
Json::Json(Signed, int64_t v) : value_(v) {}
Json::Json(Unsigned, uint64_t v) : value_(v) {
  if (v <= static_cast<uint64_t>(INT64_MAX)) value_ = static_cast<int64_t>(v);
}
Json::Json(double v) : value_(v) {}
Json::Json(float v) : value_(shortest_of(v)) {}
Json::Json(const char* v) : value_(std::string(v)) {}
Json::Json(std::string_view v) : value_(std::string(v)) {}
Json::Json(std::string v) : value_(std::move(v)) {}
Json::Json(Array v) : value_(std::move(v)) {}
Json::Json(Object v) : value_(std::move(v)) {}
Json::Json(const Json&) = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json&) = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;

const char* Json::type_name() const {
  static constexpr const char* kNames[] = {"null",     "a boolean", "an integer", "an integer",
                                           "a number", "a string",  "an array",   "an object"};
  return kNames[value_.index()];
}

bool Json::as_bool() const { return exactly<bool>(value_, *this, "a boolean"); }
int64_t Json::as_int() const { return exactly<int64_t>(value_, *this, "an integer"); }
const std::string& Json::as_string() const { return exactly<std::string>(value_, *this, "a string"); }
const Json::Array& Json::items() const { return exactly<Array>(value_, *this, "an array"); }
const Json::Object& Json::members() const { return exactly<Object>(value_, *this, "an object"); }

uint64_t Json::as_uint() const {
  const auto* i = std::get_if<int64_t>(&value_);
  if (i != nullptr && *i >= 0) return static_cast<uint64_t>(*i);
  return exactly<uint64_t>(value_, *this, "a non-negative integer");
}

double Json::as_double() const {
  if (const auto* i = std::get_if<int64_t>(&value_)) return static_cast<double>(*i);
  if (const auto* u = std::get_if<uint64_t>(&value_)) return static_cast<double>(*u);
  return exactly<double>(value_, *this, "a number");
}

const Json* Json::find(std::string_view key) const {
  const auto* object = std::get_if<Object>(&value_);
  if (object == nullptr) return nullptr;
  for (const auto& member : *object) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

Json& Json::set(std::string key, Json value) {
  if (is_null()) value_ = Object();
  auto* object = std::get_if<Object>(&value_);
  check(object != nullptr, ErrorCode::kInternal, "[json] expected an object to set '{}' in", key);
  for (auto& member : *object) {
    if (member.key == key) {
      member.value = std::move(value);
      return *this;
    }
  }
  object->push_back({std::move(key), std::move(value)});
  return *this;
}

Json& Json::push(Json value) {
  if (is_null()) value_ = Array();
  auto* array = std::get_if<Array>(&value_);
  check(array != nullptr, ErrorCode::kInternal, "[json] expected an array to append to");
  array->push_back(std::move(value));
  return *this;
}

bool Json::operator==(const Json& other) const { return value_ == other.value_; }

}  // namespace hindscan
