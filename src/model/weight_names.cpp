// Names of tensors that a wrapper around the model has changed.
#include <set>

#include "model/load_weights.h"

namespace hindscan {

namespace {

std::set<std::string, std::less<>> declared_names(const WeightTable& table) {
  std::set<std::string, std::less<>> out;
  for (size_t k = 0; k < table.size(); ++k) {
    out.insert(table[k].name);
    out.insert(table[k].aliases.begin(), table[k].aliases.end());
    out.insert(table[k].transposed_aliases.begin(), table[k].transposed_aliases.end());
    for (const StoredView& view : table[k].views) out.insert(view.name);
  }
  return out;
}

// "backbone.layers.0.norm.weight": "backbone."
std::string_view first_part(std::string_view name) { return name.substr(0, name.find('.') + 1); }

// torch.compile marks a module anywhere in the name, DataParallel at its front.
std::string without_marks(std::string_view name) {
  constexpr std::string_view kCompiled = "_orig_mod.", kParallel = "module.";
  std::string out;
  for (size_t at = 0; at < name.size();) {
    const size_t found = name.find(kCompiled, at);
    out += name.substr(at, found == std::string::npos ? found : found - at);
    at = found == std::string::npos ? name.size() : found + kCompiled.size();
  }
  while (out.starts_with(kParallel)) out.erase(0, kParallel.size());
  return out;
}

}  // namespace

void use_declared_names(const WeightTable& table, TensorStore& files) {
  const std::set<std::string, std::less<>> declared = declared_names(table);
  std::set<std::string, std::less<>> roots;
  for (const std::string& name : declared) roots.emplace(first_part(name));
  constexpr std::string_view kOuter = "model.";
  for (const std::string& name : files.names()) {
    if (declared.contains(name)) continue;
    const std::string plain = without_marks(name);
    std::vector<std::string> candidates = {plain};
    if (plain.starts_with(kOuter)) candidates.push_back(plain.substr(kOuter.size()));
    for (size_t i = 0, n = candidates.size(); i < n; ++i) {
      for (const std::string& root : roots) {
        if (!candidates[i].starts_with(root)) candidates.push_back(root + candidates[i]);
      }
    }
    for (const std::string& candidate : candidates) {
      if (!declared.contains(candidate)) continue;
      files.rename(name, candidate);
      break;
    }
  }
}

}  // namespace hindscan
