#include "core/config.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "base/checked.h"

namespace hindscan {

void AskedKeys::add(std::string key) {
  const std::scoped_lock lock(mutex_);
  keys_.insert(std::move(key));
}

bool AskedKeys::contains(const std::string& key) const {
  const std::scoped_lock lock(mutex_);
  return keys_.contains(key);
}

bool AskedKeys::contains_below(std::string_view key) const {
  const std::scoped_lock lock(mutex_);
  const std::string part = std::string(key) + ".";
  const auto next = keys_.lower_bound(part);
  return keys_.contains(key) || (next != keys_.end() && next->starts_with(part));
}

void Config::record_into(const Config& whole, std::string_view path) {
  prefix_ = fmt::format("{}{}.", whole.prefix_, path);
  asked_ = whole.asked_;
}

static std::optional<size_t> index_of(std::string_view name) {
  size_t i = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), i);
  return error == std::errc() && end == name.data() + name.size() ? std::optional(i) : std::nullopt;
}

static const char* type_name(const ConfigValue& value) {
  constexpr const char* kNames[] = {"null",     "true or false", "an integer", "a number",
                                    "a string", "a list",        "an object"};
  static_assert(std::variant_size_v<decltype(ConfigValue::data)> == std::size(kNames));
  return kNames[value.data.index()];
}

[[noreturn]] static void wrong(const std::string& label, std::string_view key, std::string_view expected,
                               const ConfigValue& found) {
  fail(ErrorCode::kData, "[{}] \"{}\" must be {} but is {}; correct the file", label, key, expected, type_name(found));
}

const ConfigValue* Config::find(std::string_view key) const {
  if (asked_) asked_->add(prefix_ + std::string(key));
  size_t dot = key.find('.');
  const auto first = root_.find(key.substr(0, dot));
  const ConfigValue* at = first == root_.end() ? nullptr : &first->second;
  while (at != nullptr && !at->is_null() && dot != std::string_view::npos) {
    const std::string_view outer = key.substr(0, dot);
    const size_t begin = dot + 1;
    dot = key.find('.', begin);
    const std::string_view name = key.substr(begin, dot == std::string_view::npos ? dot : dot - begin);
    const std::optional<size_t> index = index_of(name);
    if (const auto* object = at->as<ConfigValue::Object>()) {
      const auto it = object->find(name);
      at = it == object->end() ? nullptr : &it->second;
    } else if (const auto* list = index ? at->as<ConfigValue::List>() : nullptr) {
      at = *index < list->size() ? &(*list)[*index] : nullptr;
    } else {
      wrong(label_, outer, index ? "a list or an object" : "an object", *at);
    }
  }
  return at != nullptr && !at->is_null() ? at : nullptr;
}

bool Config::is_null(std::string_view key) const {
  const auto it = root_.find(key);
  return it != root_.end() && it->second.is_null();
}

void Config::set(std::string_view key, ConfigValue value) {
  ConfigValue::Object* object = &root_;
  for (size_t dot = key.find('.'); dot != std::string_view::npos; dot = key.find('.')) {
    ConfigValue& inner = (*object)[std::string(key.substr(0, dot))];
    if (inner.as<ConfigValue::Object>() == nullptr) inner = ConfigValue::Object();
    object = std::get_if<ConfigValue::Object>(&inner.data);
    key.remove_prefix(dot + 1);
  }
  (*object)[std::string(key)] = std::move(value);
}

void Config::erase(std::string_view key) {
  const auto it = root_.find(key);
  if (it != root_.end()) root_.erase(it);
}

int64_t Config::to_integer(std::string_view key, const ConfigValue& value, int64_t low, int64_t high) const {
  const int64_t* integer = value.as<int64_t>();
  const double* real = value.as<double>();
  const std::optional<int64_t> whole = integer != nullptr                              ? *integer
                                       : real != nullptr && *real == std::floor(*real) ? checked_int(*real)
                                                                                       : std::nullopt;
  if (!whole) wrong(label_, key, "an integer", value);
  check(*whole >= low && *whole <= high, ErrorCode::kData, "[{}] \"{}\" must be in {}..{} but is {}; correct the file",
        label_, key, low, high, *whole);
  return *whole;
}

int64_t Config::integer(std::string_view key, int64_t low, int64_t high) const {
  const ConfigValue* value = find(key);
  check(value != nullptr, ErrorCode::kData,
        "[{}] expected an integer \"{}\", found nothing; the file does not describe this architecture", label_, key);
  return to_integer(key, *value, low, high);
}

int64_t Config::integer(std::string_view key, int64_t low, int64_t high, int64_t fallback) const {
  const ConfigValue* value = find(key);
  return value == nullptr ? fallback : to_integer(key, *value, low, high);
}

double Config::to_real(std::string_view key, const ConfigValue& value) const {
  if (const double* real = value.as<double>()) return *real;
  if (const int64_t* integer = value.as<int64_t>()) return static_cast<double>(*integer);
  wrong(label_, key, "a number", value);
}

double Config::real(std::string_view key, double fallback) const {
  constexpr double kMost = std::numeric_limits<double>::max();
  return real(key, -kMost, kMost, fallback);
}

double Config::real(std::string_view key, double low, double high, double fallback) const {
  const ConfigValue* value = find(key);
  if (value == nullptr) return fallback;
  const double real = to_real(key, *value);
  check(real >= low && real <= high, ErrorCode::kData, "[{}] \"{}\" must be in {}..{} but is {}; correct the file",
        label_, key, low, high, real);
  return real;
}

int64_t Config::share(std::string_view key, int64_t base, double fallback, int64_t low, int64_t high) const {
  const double factor = real(key, fallback);
  const std::optional<int64_t> n = checked_int(std::floor(static_cast<double>(base) * factor));
  check(n && *n >= low && *n <= high, ErrorCode::kData,
        "[{}] \"{}\" must make {} a size in {}..{} but is {}; correct the file", label_, key, base, low, high, factor);
  return *n;
}

bool Config::flag(std::string_view key, bool fallback) const {
  const ConfigValue* value = find(key);
  if (value == nullptr) return fallback;
  const bool* flag = value->as<bool>();
  if (flag == nullptr) wrong(label_, key, "true or false", *value);
  return *flag;
}

std::string Config::text(std::string_view key, std::string_view fallback) const {
  const ConfigValue* value = find(key);
  if (value == nullptr) return std::string(fallback);
  const std::string* text = value->as<std::string>();
  if (text == nullptr) wrong(label_, key, "a string", *value);
  return *text;
}

const ConfigValue::List& Config::list(std::string_view key) const {
  static const ConfigValue::List kNone;
  const ConfigValue* value = find(key);
  if (value == nullptr) return kNone;
  const auto* list = value->as<ConfigValue::List>();
  if (list == nullptr) wrong(label_, key, "a list", *value);
  return *list;
}

int64_t Config::count(std::string_view key) const { return std::ssize(list(key)); }

std::vector<int64_t> Config::integers(std::string_view key, int64_t low, int64_t high) const {
  std::vector<int64_t> out;
  for (const ConfigValue& item : list(key)) out.push_back(to_integer(key, item, low, high));
  return out;
}

std::vector<double> Config::reals(std::string_view key) const {
  std::vector<double> out;
  for (const ConfigValue& item : list(key)) out.push_back(to_real(key, item));
  return out;
}

std::vector<std::string> Config::texts(std::string_view key) const {
  std::vector<std::string> out;
  for (const ConfigValue& item : list(key)) {
    const std::string* text = item.as<std::string>();
    if (text == nullptr) wrong(label_, key, "a list of strings", item);
    out.push_back(*text);
  }
  return out;
}

}  // namespace hindscan
