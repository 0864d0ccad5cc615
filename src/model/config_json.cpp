#include "model/config_json.h"

#include <charconv>
#include <map>
#include <optional>

namespace hindscan {
namespace {

constexpr size_t kMaxValues = size_t{1} << 20;
constexpr int kMaxDepth = 32;  // dots beyond it stay in the name, which reads back the same

void flatten_members(const Json& object, const std::string& prefix, Config& out);

void flatten(const Json& value, const std::string& key, Config& out) {
  check(out.values().size() < kMaxValues, ErrorCode::kData,
        "[{}] expected at most {} values, found more; remove what is no configuration", out.label(), kMaxValues);
  switch (value.type()) {
    case Json::Type::kBool:
      out.set(key, value.as_bool());
      break;
    case Json::Type::kInt:
      out.set(key, value.as_int());
      break;
    case Json::Type::kUint:
    case Json::Type::kDouble:
      out.set(key, value.as_double());
      break;
    case Json::Type::kString:
      out.set(key, value.as_string());
      break;
    case Json::Type::kNull:
      break;
    case Json::Type::kObject:
      flatten_members(value, key + ".", out);
      break;
    case Json::Type::kArray:
      out.set(key + ".#", static_cast<int64_t>(value.items().size()));
      for (size_t i = 0; i < value.items().size(); ++i) flatten(value.items()[i], key + "." + std::to_string(i), out);
      break;
  }
}

void flatten_members(const Json& object, const std::string& prefix, Config& out) {
  for (const JsonMember& m : object.members()) flatten(m.value, prefix + m.key, out);
}

struct Node {
  const Config::Value* value = nullptr;
  std::map<std::string, Node> children;
};

Node tree_of(const Config& config) {
  Node root;
  for (const auto& [key, value] : config.values()) {
    Node* node = &root;
    size_t begin = 0;
    for (int depth = 0; depth < kMaxDepth; ++depth) {
      const size_t dot = key.find('.', begin);
      if (dot == std::string::npos) break;
      node = &node->children[key.substr(begin, dot - begin)];
      begin = dot + 1;
    }
    node->children[key.substr(begin)].value = &value;
  }
  return root;
}

Json scalar(const Config::Value& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

// The number of elements when the children are a list's and nothing else.
std::optional<size_t> list_size(const Node& node) {
  const auto length = node.children.find("#");
  if (length == node.children.end() || length->second.value == nullptr || !length->second.children.empty())
    return std::nullopt;
  const int64_t* n = std::get_if<int64_t>(length->second.value);
  if (n == nullptr || *n < 0 || static_cast<uint64_t>(*n) > kMaxValues) return std::nullopt;
  for (const auto& [name, child] : node.children) {
    size_t i = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), i);
    const bool index = error == std::errc() && end == name.data() + name.size() && i < static_cast<size_t>(*n) &&
                       std::to_string(i) == name;
    const bool plain = child.value == nullptr || child.children.empty();
    if (name != "#" && (!index || !plain)) return std::nullopt;
  }
  return static_cast<size_t>(*n);
}

Json object_of(const Node& node);

Json list_of(const Node& node, size_t n) {
  Json::Array out(n);  // nulls
  for (size_t i = 0; i < n; ++i) {
    const auto child = node.children.find(std::to_string(i));
    if (child == node.children.end()) continue;
    const std::optional<size_t> inner = list_size(child->second);
    out[i] = child->second.value != nullptr ? scalar(*child->second.value)
             : inner                        ? list_of(child->second, *inner)
                                            : object_of(child->second);
  }
  return out;
}

// A name that is both a value and a prefix keeps the children's names dotted.
void add_member(const std::string& name, const Node& child, Json::Object& out) {
  if (child.value != nullptr) out.push_back({name, scalar(*child.value)});
  if (child.children.empty()) return;
  if (child.value == nullptr) {
    const std::optional<size_t> n = list_size(child);
    out.push_back({name, n ? list_of(child, *n) : object_of(child)});
    return;
  }
  for (const auto& [inner, grandchild] : child.children) add_member(name + "." + inner, grandchild, out);
}

Json object_of(const Node& node) {
  Json::Object out;
  for (const auto& [name, child] : node.children) add_member(name, child, out);
  return out;
}

}  // namespace

Config config_from_json(const Json& json, const std::string& label) {
  check(json.is_object(), ErrorCode::kData, "[{}] expected a JSON object, found {}", label, json.type_name());
  Config out(label);
  flatten_members(json, "", out);
  return out;
}

Json config_to_json(const Config& config) { return object_of(tree_of(config)); }

}  // namespace hindscan
