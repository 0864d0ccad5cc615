// Architecture settings as flat key -> scalar, read from config.json by model/. Nested keys are joined by dots:
// "ssm_cfg.layer"; a list is "key.0", "key.1", ... and its length "key.#".
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"

namespace hindscan {

class Config {
 public:
  using Value = std::variant<bool, int64_t, double, std::string>;
  explicit Config(std::string label = "config.json") : label_(std::move(label)) {}

  bool has(const std::string& key) const { return values_.count(key) != 0; }
  void set(const std::string& key, Value value) { values_[key] = std::move(value); }
  bool is_text(const std::string& key) const {
    return has(key) && std::holds_alternative<std::string>(values_.at(key));
  }
  const std::map<std::string, Value>& values() const { return values_; }
  const std::string& label() const { return label_; }

  // Integer in [low, high]; Error(kData) names the file, the key and what was found.
  int64_t integer(const std::string& key, int64_t low, int64_t high) const;
  int64_t integer(const std::string& key, int64_t low, int64_t high, int64_t fallback) const;
  double real(const std::string& key, double fallback) const;
  bool flag(const std::string& key, bool fallback) const;
  std::string text(const std::string& key, const std::string& fallback) const;

  // Lists. A key that is absent is an empty list; Error(kData) for a key that is no list or an element of another type.
  bool is_list(const std::string& key) const { return has(key + ".#"); }
  int64_t count(const std::string& key) const;
  std::vector<int64_t> integers(const std::string& key, int64_t low, int64_t high) const;
  std::vector<double> reals(const std::string& key) const;
  std::vector<std::string> texts(const std::string& key) const;
  template <class T>
  void set_list(const std::string& key, const std::vector<T>& items) {
    set(key + ".#", static_cast<int64_t>(items.size()));
    for (size_t i = 0; i < items.size(); ++i) set(key + "." + std::to_string(i), Value(T(items[i])));
  }

 private:
  const Value& element(const std::string& key, int64_t i) const;
  std::string label_;
  std::map<std::string, Value> values_;
};

}  // namespace hindscan
