// The table of families. Explicit, so that a static library keeps every entry.
#include "arch/architecture.h"
#include "arch/classifier.h"

namespace hindscan {

using Factory = std::unique_ptr<Architecture> (*)(const Config&);
using Recogniser = bool (*)(const Config&);
using Preset = Config (*)(const PresetSizes&);

#define HS_ARCH(name, factory, recogniser, preset)      \
  std::unique_ptr<Architecture> factory(const Config&); \
  bool recogniser(const Config&);                       \
  Config preset(const PresetSizes&);
#include "arch/archs.def"
#undef HS_ARCH

bool never(const Config&) { return false; }

struct Entry {
  const char* name;
  Factory factory;
  Recogniser recogniser;
  Preset preset;
};
static const Entry kTable[] = {
#define HS_ARCH(name, factory, recogniser, preset) {name, factory, recogniser, preset},
#include "arch/archs.def"
#undef HS_ARCH
};

std::vector<std::string> architecture_names() {
  std::vector<std::string> names;
  for (const Entry& e : kTable) names.emplace_back(e.name);
  return names;
}

std::unique_ptr<Architecture> make_architecture(const Config& config) {
  if (is_classifier(config)) return make_classifier(config);
  refuse_common_keys(config);
  const std::string type = config.text("model_type", "");
  for (const Entry& e : kTable) {
    if (type.empty() ? e.recogniser(config) : type == e.name) return e.factory(config);
  }
  fail(ErrorCode::kData, "[{}] expected \"model_type\" to be one of: {}; found {}", config.label(),
       fmt::join(architecture_names(), ", "), type.empty() ? "none" : "\"" + type + "\"");
}

Config architecture_preset(const std::string& name, const PresetSizes& sizes) {
  for (const Entry& e : kTable) {
    if (name == e.name) return e.preset(sizes);
  }
  fail(ErrorCode::kUsage, "[train] expected an architecture of: {}; found \"{}\"",
       fmt::join(architecture_names(), ", "), name);
}

}  // namespace hindscan
