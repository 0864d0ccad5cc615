// JSON as an owning value, a strict parser for untrusted text and a writer. Locale never matters.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/budget.h"

namespace hindscan {

struct JsonMember;

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<JsonMember>;  // in file order
  enum class Type { kNull, kBool, kInt, kUint, kDouble, kString, kArray, kObject };

  Json();
  Json(std::nullptr_t) : Json() {}
  Json(bool v);
  template <std::signed_integral T>
  Json(T v) : Json(Signed{}, v) {}
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) Json(T v) : Json(Unsigned{}, v) {}
  Json(double v);
  Json(float v);  // keeps the shortest decimal of the float: 0.1f prints as 0.1
  Json(const char* v);
  Json(std::string_view v);
  Json(std::string v);
  Json(Array v);
  Json(Object v);
  template <class T>
  Json(const std::vector<T>& v) : Json(Array(v.begin(), v.end())) {}
  template <class T>
  Json(const std::optional<T>& v) : Json(v ? Json(*v) : Json()) {}  // none: null
  static Json object();
  static Json array() { return Json(Array()); }

  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  ~Json();

  Type type() const { return static_cast<Type>(value_.index()); }
  bool is(Type t) const { return type() == t; }
  bool is_null() const { return is(Type::kNull); }
  bool is_string() const { return is(Type::kString); }
  bool is_array() const { return is(Type::kArray); }
  bool is_object() const { return is(Type::kObject); }
  bool is_number() const { return is(Type::kInt) || is(Type::kUint) || is(Type::kDouble); }
  const char* type_name() const;

  // Access by exact type; Error(kInternal) on any other (use JsonReader for files).
  bool as_bool() const;
  int64_t as_int() const;    // kInt only
  uint64_t as_uint() const;  // a non-negative integer
  double as_double() const;  // any number
  const std::string& as_string() const;
  const Array& items() const;
  const Object& members() const;

  const Json* find(std::string_view key) const;  // nullptr when absent or not an object; linear
  Json& set(std::string key, Json value);        // appends or replaces; turns null into an object; returns *this
  Json& push(Json value);                        // appends; turns null into an array; returns *this

  bool operator==(const Json& other) const;

 private:
  struct Signed {};
  struct Unsigned {};
  Json(Signed, int64_t v);
  Json(Unsigned, uint64_t v);
  std::variant<std::nullptr_t, bool, int64_t, uint64_t, double, std::string, Array, Object> value_;
};

struct JsonMember {
  std::string key;
  Json value;
  bool operator==(const JsonMember&) const = default;
};

inline Json Json::object() { return Json(Object()); }

using limit::kJsonBytes;
using limit::kJsonDepth;

// Strict: UTF-8 checked, duplicate keys, too deep nesting, numbers out of range and trailing text are Error(kData) that
// names `label`; values that take more than the budget of the text are Error(kResource) before they are made. Integers
// are kInt when they fit int64, else kUint; never doubles.
Json parse_json(std::string_view text, std::string_view label);
Json load_json(const std::string& path);  // a file of at most kJsonBytes

struct JsonStyle {
  int indent = 0;     // spaces a level; 0 = one line
  bool html = false;  // also escapes < > &, safe inside <script>
};

// NaN and infinities become null, invalid UTF-8 U+FFFD, controls and bidi marks escapes; doubles read back equal.
std::string to_string(const Json& value, const JsonStyle& style = {});
void append_json_string(std::string& out, std::string_view text, bool html = false);
void append_json_number(std::string& out, double value);

}  // namespace hindscan
