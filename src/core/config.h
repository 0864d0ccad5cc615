// Architecture settings as flat key -> scalar ("ssm_cfg.layer" for nested keys), read from config.json by model/.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <variant>

#include "base/error.h"

namespace hindscan {

class Config {
 public:
  using Value = std::variant<bool, int64_t, double, std::string>;
  explicit Config(std::string label = "config.json") : label_(std::move(label)) {}

  bool has(const std::string& key) const { return values_.count(key) != 0; }
  void set(const std::string& key, Value value) { values_[key] = std::move(value); }
  bool is_text(const std::string& key) const { return has(key) && std::holds_alternative<std::string>(values_.at(key)); }
  const std::map<std::string, Value>& values() const { return values_; }
  const std::string& label() const { return label_; }

  // Integer in [low, high]; Error(kData) names the file, the key and what was found.
  int64_t integer(const std::string& key, int64_t low, int64_t high) const;
  int64_t integer(const std::string& key, int64_t low, int64_t high, int64_t fallback) const;
  double real(const std::string& key, double fallback) const;
  bool flag(const std::string& key, bool fallback) const;
  std::string text(const std::string& key, const std::string& fallback) const;

 private:
  std::string label_;
  std::map<std::string, Value> values_;
};

}  // namespace hindscan
