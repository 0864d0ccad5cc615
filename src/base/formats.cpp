#include "base/formats.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/error.h"

namespace hindscan::format {
namespace {

struct Older {
  const char* name;
  const char* today;
  const char* advice;  // how to convert it; empty: still read
};
constexpr Older kOlder[] = {
    {"hindscan-train/1", kCheckpoint, ""},
    {"hindscan.state/1", kState,
     "its mark covers only the beginning of each tensor, so the model cannot be told for certain; write it again with "
     "'hindscan run -f TEXT -n 0 --state-out FILE'"},
    {"hindscan.explain/1", kExplainJson,
     "it does not say which weights it explains; run 'hindscan explain' on the same text again"},
    {"hindscan.explain/2", kExplainJson,
     "its scores lie in the methods and not in arrays with axes and completeness; run 'hindscan explain' on the same "
     "text again"},
    {"hindscan.explain-npz/1", kExplainNpz,
     "its paths are one array NAME.paths [5, layers, tokens] instead of one each; run 'hindscan explain -o' on the "
     "same "
     "text again"},
};

const Older* older(std::string_view name) {
  for (const Older& o : kOlder) {
    if (name == o.name) return &o;
  }
  return nullptr;
}

std::string_view stem(std::string_view name) { return name.substr(0, name.find('/')); }

int version(std::string_view name) {
  int out = 0;
  const size_t slash = std::min(name.find('/'), name.size() - 1);
  const auto [end, error] = std::from_chars(name.data() + slash + 1, name.data() + name.size(), out);
  return error == std::errc() && end == name.data() + name.size() ? out : 0;
}

}  // namespace

std::vector<std::string_view> all() {
  std::vector<std::string_view> out(std::begin(kFiles), std::end(kFiles));
  out.insert(out.end(), std::begin(kDocuments), std::end(kDocuments));
  return out;
}

std::string_view current(std::string_view found) {
  if (const Older* o = older(found)) return o->today;
  for (const std::string_view name : all()) {
    if (!found.empty() && found != stem(found) && stem(found) == stem(name)) return name;
  }
  return {};
}

void expect(std::string_view label, std::string_view expected, std::string_view found) {
  if (found == expected) return;
  const std::string_view shown = found.substr(0, 40);
  check(current(found) == expected, ErrorCode::kData, "[{}] expected a file of format {}, found {}", label, expected,
        found.empty() ? "none named" : shown);
  check(version(found) <= version(expected), ErrorCode::kData,
        "[{}] expected {}, found {}; a newer hindscan wrote it: update this one", label, expected, shown);
  const Older* o = older(found);
  check(o != nullptr, ErrorCode::kData, "[{}] expected {}, found {}, which no version wrote", label, expected, shown);
  check(*o->advice == '\0', ErrorCode::kData, "[{}] expected {}, found {}: {}", label, expected, shown, o->advice);
}

}  // namespace hindscan::format
