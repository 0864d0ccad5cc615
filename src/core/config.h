// Architecture settings as config.json has them, read by model/. A key is a path: "ssm_cfg.layer" names a member of a
// nested object, "time_step_limit.1" an element of a list. A key that is null counts as absent.
#pragma once
#include <concepts>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"

namespace hindscan {

struct ConfigValue {
  using List = std::vector<ConfigValue>;
  using Object = std::map<std::string, ConfigValue, std::less<>>;
  std::variant<std::monostate, bool, int64_t, double, std::string, List, Object> data;

  ConfigValue() = default;
  ConfigValue(std::same_as<bool> auto v) : data(v) {}
  ConfigValue(int64_t v) : data(v) {}
  ConfigValue(double v) : data(v) {}
  ConfigValue(const char* v) : data(std::string(v)) {}
  ConfigValue(std::string v) : data(std::move(v)) {}
  ConfigValue(List v) : data(std::move(v)) {}
  ConfigValue(Object v) : data(std::move(v)) {}
  bool is_null() const { return data.index() == 0; }
  template <class T>
  const T* as() const {
    return std::get_if<T>(&data);
  }
  bool operator==(const ConfigValue&) const = default;
};

// The keys somebody asked for. Shared by the copies of a Config, from any thread.
class AskedKeys {
 public:
  void add(std::string key);
  bool contains(const std::string& key) const;      // itself
  bool contains_below(std::string_view key) const;  // itself or a part of it

 private:
  mutable std::mutex mutex_;
  std::set<std::string, std::less<>> keys_;
};

class Config {
 public:
  explicit Config(std::string label = "config.json") : label_(std::move(label)) {}
  Config(ConfigValue::Object root, std::string label) : label_(std::move(label)), root_(std::move(root)) {}

  bool has(std::string_view key) const { return find(key) != nullptr; }
  const ConfigValue* find(std::string_view key) const;  // null when absent or null
  bool is_null(std::string_view key) const;             // written down as null, at the top level
  void set(std::string_view key, ConfigValue value);    // makes the objects on the way
  void erase(std::string_view key);                     // of the top level
  bool is_text(std::string_view key) const { return is<std::string>(key); }
  const ConfigValue::Object& root() const { return root_; }
  const std::string& label() const { return label_; }
  bool operator==(const Config& other) const { return root_ == other.root_; }

  void record() { asked_ = std::make_shared<AskedKeys>(); }      // from here on keys that are asked for are remembered
  void record_into(const Config& whole, std::string_view path);  // in its memory, as keys below `path`
  const AskedKeys* asked() const { return asked_.get(); }

  // Integer in [low, high]; Error(kData) names the file, the key and what was found.
  int64_t integer(std::string_view key, int64_t low, int64_t high) const;
  int64_t integer(std::string_view key, int64_t low, int64_t high, int64_t fallback) const;
  double real(std::string_view key, double fallback) const;                           // finite
  double real(std::string_view key, double low, double high, double fallback) const;  // infinity where high is
  // floor(base times the real number `key`), which must lie in [low, high].
  int64_t share(std::string_view key, int64_t base, double fallback, int64_t low, int64_t high) const;
  bool flag(std::string_view key, bool fallback) const;
  std::string text(std::string_view key, std::string_view fallback) const;

  // Lists. A key that is absent is an empty list; Error(kData) for a key that is no list or an element of another type.
  bool is_list(std::string_view key) const { return is<ConfigValue::List>(key); }
  int64_t count(std::string_view key) const;
  std::vector<int64_t> integers(std::string_view key, int64_t low, int64_t high) const;
  std::vector<double> reals(std::string_view key) const;
  std::vector<std::string> texts(std::string_view key) const;
  template <class T>
  void set_list(std::string_view key, const std::vector<T>& items) {
    set(key, ConfigValue::List(items.begin(), items.end()));
  }

 private:
  template <class T>
  bool is(std::string_view key) const {
    const ConfigValue* value = find(key);
    return value != nullptr && value->as<T>() != nullptr;
  }
  const ConfigValue::List& list(std::string_view key) const;
  int64_t to_integer(std::string_view key, const ConfigValue& value, int64_t low, int64_t high) const;
  double to_real(std::string_view key, const ConfigValue& value) const;

  std::string label_;
  ConfigValue::Object root_;
  std::shared_ptr<AskedKeys> asked_;
  std::string prefix_;
};

}  // namespace hindscan
