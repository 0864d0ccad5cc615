#include "core/config.h"

namespace hindscan {

int64_t Config::integer(const std::string& key, int64_t low, int64_t high) const {
  const auto it = values_.find(key);
  check(it != values_.end(), ErrorCode::kData,
        "[{}] expected an integer \"{}\", found nothing; the file does not describe this architecture", label_, key);
  const int64_t* value = std::get_if<int64_t>(&it->second);
  check(value != nullptr, ErrorCode::kData, "[{}] \"{}\" must be an integer; correct the file", label_, key);
  check(*value >= low && *value <= high, ErrorCode::kData, "[{}] \"{}\" must be in {}..{} but is {}; correct the file",
        label_, key, low, high, *value);
  return *value;
}

int64_t Config::integer(const std::string& key, int64_t low, int64_t high, int64_t fallback) const {
  return has(key) ? integer(key, low, high) : fallback;
}

double Config::real(const std::string& key, double fallback) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return fallback;
  if (const double* value = std::get_if<double>(&it->second)) return *value;
  if (const int64_t* value = std::get_if<int64_t>(&it->second)) return static_cast<double>(*value);
  fail(ErrorCode::kData, "[{}] \"{}\" must be a number; correct the file", label_, key);
}

bool Config::flag(const std::string& key, bool fallback) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return fallback;
  const bool* value = std::get_if<bool>(&it->second);
  check(value != nullptr, ErrorCode::kData, "[{}] \"{}\" must be true or false; correct the file", label_, key);
  return *value;
}

std::string Config::text(const std::string& key, const std::string& fallback) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return fallback;
  const std::string* value = std::get_if<std::string>(&it->second);
  check(value != nullptr, ErrorCode::kData, "[{}] \"{}\" must be a string; correct the file", label_, key);
  return *value;
}

int64_t Config::count(const std::string& key) const {
  check(!has(key), ErrorCode::kData, "[{}] \"{}\" must be a list; correct the file", label_, key);
  return is_list(key) ? integer(key + ".#", 0, INT32_MAX) : 0;
}

const Config::Value& Config::element(const std::string& key, int64_t i) const {
  const auto it = values_.find(key + "." + std::to_string(i));
  check(it != values_.end(), ErrorCode::kData,
        "[{}] element {} of \"{}\" must be a number or a string; correct the file", label_, i, key);
  return it->second;
}

std::vector<int64_t> Config::integers(const std::string& key, int64_t low, int64_t high) const {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < count(key); ++i) {
    element(key, i);
    out.push_back(integer(key + "." + std::to_string(i), low, high));
  }
  return out;
}

std::vector<double> Config::reals(const std::string& key) const {
  std::vector<double> out;
  for (int64_t i = 0; i < count(key); ++i) {
    element(key, i);
    out.push_back(real(key + "." + std::to_string(i), 0));
  }
  return out;
}

std::vector<std::string> Config::texts(const std::string& key) const {
  std::vector<std::string> out;
  for (int64_t i = 0; i < count(key); ++i) {
    element(key, i);
    out.push_back(text(key + "." + std::to_string(i), ""));
  }
  return out;
}

}  // namespace hindscan
