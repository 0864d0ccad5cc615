// The table of families. Explicit, so that a static library keeps every entry.
#include "arch/architecture.h"

namespace hindscan {

using Factory = std::unique_ptr<Architecture> (*)(const Config&);
using Recogniser = bool (*)(const Config&);

#define HS_ARCH(name, factory, recogniser)                 \
  std::unique_ptr<Architecture> factory(const Config&);    \
  bool recogniser(const Config&);
#include "arch/archs.def"
#undef HS_ARCH

bool never(const Config&) { return false; }

struct Entry {
  const char* name;
  Factory factory;
  Recogniser recogniser;
};
static const Entry kTable[] = {
#define HS_ARCH(name, factory, recogniser) {name, factory, recogniser},
#include "arch/archs.def"
#undef HS_ARCH
};

std::vector<std::string> architecture_names() {
  std::vector<std::string> names;
  for (const Entry& e : kTable) names.emplace_back(e.name);
  return names;
}

std::unique_ptr<Architecture> make_architecture(const Config& config) {
  const std::string type = config.text("model_type", "");
  for (const Entry& e : kTable) {
    if (type.empty() ? e.recogniser(config) : type == e.name) return e.factory(config);
  }
  fail(ErrorCode::kData, "[{}] expected \"model_type\" to be one of: {}; found {}", config.label(),
       fmt::join(architecture_names(), ", "), type.empty() ? "none" : "\"" + type + "\"");
}

}  // namespace hindscan
