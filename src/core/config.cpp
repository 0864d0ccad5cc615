#include "core/config.h"

namespace hindscan {

int64_t Config::integer(const std::string& key, int64_t low, int64_t high) const {
  const auto it = values_.find(key);
  check(it != values_.end(), ErrorCode::kData, "[{}] expected an integer \"{}\", found nothing; the file does not describe this architecture",
        label_, key);
  const int64_t* value = std::get_if<int64_t>(&it->second);
  check(value != nullptr, ErrorCode::kData, "[{}] \"{}\" must be an integer; correct the file", label_, key);
  check(*value >= low && *value <= high, ErrorCode::kData, "[{}] \"{}\" must be in {}..{} but is {}; correct the file", label_, key,
        low, high, *value);
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

}  // namespace hindscan
