// Typed access to one object of a JSON file; every fault is an Error(kData) naming file, key, expected and found.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"

namespace hindscan {

// Keeps a pointer into the Json it reads: the value must outlive the reader.
class JsonReader {
 public:
  JsonReader(const Json& object, std::string file, std::string path = "");

  bool has(std::string_view key) const;  // present and not null
  std::vector<std::string> keys() const;

  // Required keys; integers outside [low, high] are refused, never wrapped or rounded.
  int64_t get_int(std::string_view key, int64_t low = INT64_MIN, int64_t high = INT64_MAX) const;
  double get_double(std::string_view key) const;
  bool get_bool(std::string_view key) const;
  const std::string& get_string(std::string_view key) const;
  const Json::Array& get_array(std::string_view key) const;
  std::vector<int64_t> get_ints(std::string_view key, int64_t low = INT64_MIN, int64_t high = INT64_MAX) const;
  JsonReader get_object(std::string_view key) const;

  // Optional keys: absent or null gives the default, a wrong type is still an error.
  int64_t get_int_or(std::string_view key, int64_t fallback, int64_t low = INT64_MIN, int64_t high = INT64_MAX) const;
  double get_double_or(std::string_view key, double fallback) const;
  bool get_bool_or(std::string_view key, bool fallback) const;
  std::string get_string_or(std::string_view key, std::string_view fallback) const;
  std::optional<JsonReader> find_object(std::string_view key) const;
  JsonReader item(std::string_view key, const Json& value) const;  // of the list or object `key`

  const Json& value() const { return *object_; }
  std::string where(std::string_view key) const;  // "config.json: ssm_cfg.layer", for messages of the caller

 private:
  const Json& need(std::string_view key) const;
  [[noreturn]] void wrong(std::string_view key, std::string_view expected, const Json& found) const;
  int64_t to_int(std::string_view key, const Json& value, int64_t low, int64_t high) const;

  const Json* object_;
  std::string file_, path_;
};

}  // namespace hindscan
