#include "model/config_json.h"

namespace hindscan {

static void flatten(const Json& object, const std::string& prefix, Config& out) {
  for (const JsonMember& m : object.members()) {
    const std::string key = prefix + m.key;
    switch (m.value.type()) {
      case Json::Type::kBool: out.set(key, m.value.as_bool()); break;
      case Json::Type::kInt: out.set(key, m.value.as_int()); break;
      case Json::Type::kUint:
      case Json::Type::kDouble: out.set(key, m.value.as_double()); break;
      case Json::Type::kString: out.set(key, m.value.as_string()); break;
      case Json::Type::kObject: flatten(m.value, key + ".", out); break;
      case Json::Type::kNull:
      case Json::Type::kArray: break;
    }
  }
}

Config config_from_json(const Json& json, const std::string& label) {
  check(json.is_object(), ErrorCode::kData, "[{}] expected a JSON object, found {}", label, json.type_name());
  Config out(label);
  flatten(json, "", out);
  return out;
}

Json config_to_json(const Config& config) {
  Json out = Json::object();
  for (const auto& [key, value] : config.values()) {
    std::visit([&out, &name = key](const auto& v) { out.set(name, Json(v)); }, value);
  }
  return out;
}

}  // namespace hindscan
