#include "model/config_json.h"

#include <array>
#include <cmath>
#include <limits>

#include "base/budget.h"
#include "base/mmap.h"

namespace hindscan {
namespace {

constexpr const char* kFloat = "__float__";

struct SpecialFloat {
  std::string_view name;
  double value;
};
constexpr std::array<SpecialFloat, 3> kSpecialFloats = {{{"Infinity", std::numeric_limits<double>::infinity()},
                                                         {"-Infinity", -std::numeric_limits<double>::infinity()},
                                                         {"NaN", std::numeric_limits<double>::quiet_NaN()}}};

// {"__float__": "Infinity"}: what JSON has no number for.
const SpecialFloat* special_float(const Json& object) {
  const Json* name = object.members().size() == 1 ? object.find(kFloat) : nullptr;
  if (name == nullptr || !name->is_string()) return nullptr;
  for (const SpecialFloat& special : kSpecialFloats) {
    if (name->as_string() == special.name) return &special;
  }
  return nullptr;
}

ConfigValue::Object members_of(const Json& object);  // recursion is bounded by kJsonDepth

ConfigValue value_of(const Json& json) {
  switch (json.type()) {
    case Json::Type::kBool:
      return json.as_bool();
    case Json::Type::kInt:
      return json.as_int();
    case Json::Type::kUint:
    case Json::Type::kDouble:
      return json.as_double();
    case Json::Type::kString:
      return json.as_string();
    case Json::Type::kNull:
      break;
    case Json::Type::kObject:
      if (const SpecialFloat* special = special_float(json)) return special->value;
      return members_of(json);
    case Json::Type::kArray: {
      ConfigValue::List list;
      list.reserve(json.items().size());
      for (const Json& item : json.items()) list.push_back(value_of(item));
      return list;
    }
  }
  return {};
}

ConfigValue::Object members_of(const Json& object) {
  ConfigValue::Object out;
  for (const JsonMember& m : object.members()) out.emplace(m.key, value_of(m.value));
  return out;
}

struct ToJson {
  Json operator()(std::monostate) const { return Json(); }
  Json operator()(double v) const {
    for (const SpecialFloat& special : kSpecialFloats) {
      if (v == special.value || (std::isnan(v) && std::isnan(special.value)))
        return Json::object().set(kFloat, special.name);
    }
    return Json(v);
  }
  template <class T>
  Json operator()(const T& v) const {
    return Json(v);
  }
  Json operator()(const ConfigValue::List& list) const {
    Json::Array out;
    for (const ConfigValue& item : list) out.push_back(std::visit(*this, item.data));
    return out;
  }
  Json operator()(const ConfigValue::Object& object) const {
    Json::Object out;
    for (const auto& [key, value] : object) out.push_back({key, std::visit(*this, value.data)});
    return out;
  }
};

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

// The word of a special float that begins at text[at], outside strings.
const SpecialFloat* word_at(std::string_view text, size_t at) {
  if (at > 0 && (is_word(text[at - 1]) || text[at - 1] == '-')) return nullptr;
  for (const SpecialFloat& special : kSpecialFloats) {
    const size_t end = at + special.name.size();
    if (text.substr(at).starts_with(special.name) && (end == text.size() || !is_word(text[end]))) return &special;
  }
  return nullptr;
}

// Python's json writes infinities and NaN as bare words, which JSON does not know.
std::string without_special_floats(std::string_view text) {
  std::string out;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    const bool escape = quoted && text[i] == '\\' && i + 1 < text.size();
    if (const SpecialFloat* special = quoted ? nullptr : word_at(text, i)) {
      out += fmt::format(R"({{"{}":"{}"}})", kFloat, special->name);
      i += special->name.size() - 1;
      continue;
    }
    out += text[i];
    if (escape) out += text[++i];
  }
  return out;
}

}  // namespace

Config config_from_json(const Json& json, const std::string& label) {
  check(json.is_object() && special_float(json) == nullptr, ErrorCode::kData,
        "[{}] expected a JSON object of settings, found {}", label, json.is_object() ? "a number" : json.type_name());
  return Config(members_of(json), label);
}

Json config_to_json(const Config& config) { return ToJson()(config.root()); }

Config parse_config(std::string_view text, const std::string& label) {
  return config_from_json(parse_json(without_special_floats(text), label), label);
}

Config load_config(const std::string& path) { return parse_config(read_file(path, limit::kConfigBytes), path); }

}  // namespace hindscan
