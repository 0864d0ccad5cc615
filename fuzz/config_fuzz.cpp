// JSON text, and what a model makes of it as config.json.
#include "arch/architecture.h"
#include "fuzz_util.h"
#include "io/json_reader.h"
#include "model/config_json.h"

using namespace hindscan;

namespace {

// The same value through the building half of the interface.
Json rebuild(const Json& json) {
  switch (json.type()) {
    case Json::Type::kNull:
      return nullptr;
    case Json::Type::kBool:
      return json.as_bool();
    case Json::Type::kInt:
      return json.as_int();
    case Json::Type::kUint:
      return json.as_uint();
    case Json::Type::kDouble:
      return json.as_double();
    case Json::Type::kString:
      return std::string_view(json.as_string());
    case Json::Type::kArray:
      break;
    case Json::Type::kObject:
      Json object = Json::object();
      for (const auto& [key, value] : json.members()) object.set(key, 0).set(key, rebuild(value));
      return object;
  }
  Json array = Json::array();
  for (const Json& item : json.items()) array.push(rebuild(item));
  return array;
}

void use_getters(const JsonReader& r) {
  std::vector<std::string> keys = r.keys();
  keys.resize(std::min<size_t>(keys.size(), 3));  // exceptions are slow; the fuzzer moves keys to the front by itself
  for (const std::string& key : keys) {
    allow_refusal([&] { require(r.get_int(key, -5, 5) <= 5); });
    allow_refusal([&] { r.get_int_or(key, 3); });
    allow_refusal([&] { r.get_double_or(key, 1.0); });
    allow_refusal([&] { r.get_bool_or(key, false); });
    allow_refusal([&] { r.get_string_or(key, ""); });
    allow_refusal([&] { r.get_ints(key, 0, 100); });
    allow_refusal([&] {
      const auto inner = r.find_object(key);
      if (inner) use_getters(*inner);
    });
  }
}

// What was accepted has sound sizes, can say what it passed over, and is the same model written and read again.
void check_model(Config config) {
  config.record();
  const auto architecture = make_architecture(config);
  const ArchitectureSizes sizes = architecture->sizes();
  require(sizes.vocab_size > 0 && sizes.d_model > 0 && architecture->flops_per_token() >= 0);
  unknown_keys(config, *architecture);
  differing_copies(config, *architecture);
  const Json saved = config_to_json(architecture->hf_config());
  const auto again = make_architecture(parse_config(to_string(saved), "saved"));
  require(again->sizes().d_model == sizes.d_model && again->flops_per_token() == architecture->flops_per_token());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  allow_refusal([&] {
    const Json json = parse_json(as_text(data, size), "fuzz");
    require(parse_json(to_string(json), "again") == json);
    require(parse_json(to_string(json, {2, true}), "indented") == json);
    require(rebuild(json) == json);
    use_getters(JsonReader(json, "fuzz"));
  });
  allow_refusal([&] { check_model(parse_config(as_text(data, size), "fuzz")); });
  return 0;
}
