// JSON text, and what a model makes of it as config.json.
#include "arch/architecture.h"
#include "fuzz_util.h"
#include "io/json_reader.h"
#include "model/config_json.h"

using namespace hindscan;

namespace {

void use_getters(const JsonReader& r) {
  for (const std::string& key : r.keys()) {
    allow_refusal([&] { require(r.get_int(key, -5, 5) <= 5); });
    allow_refusal([&] { r.get_double_or(key, 1.0); });
    allow_refusal([&] { r.get_bool_or(key, false); });
    allow_refusal([&] { r.get_string_or(key, ""); });
    allow_refusal([&] { r.get_ints(key, 0, 100); });
    allow_refusal([&] { use_getters(r.get_object(key)); });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  allow_refusal([&] {
    const Json json = parse_json(as_text(data, size), "fuzz");
    require(parse_json(to_string(json), "again") == json);
    require(parse_json(to_string(json, {2, true}), "indented") == json);
    use_getters(JsonReader(json, "fuzz"));
    const auto architecture = make_architecture(config_from_json(json, "fuzz"));
    const ArchitectureSizes sizes = architecture->sizes();
    require(sizes.vocab_size > 0 && sizes.d_model > 0 && architecture->flops_per_token() >= 0);
    const Json saved = config_to_json(architecture->hf_config());
    require(make_architecture(config_from_json(saved, "saved"))->sizes().d_model == sizes.d_model);
  });
  return 0;
}
