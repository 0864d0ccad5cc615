#include "io/tokenizer_companions.h"

#include <fmt/ranges.h>

#include <charconv>
#include <map>

#include "base/counted.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "io/added_list.h"
#include "io/tokenizer_config_keys.h"
#include "io/vocabulary_file.h"

namespace hindscan {
namespace {

// A text alone is a special token without marks.
AddedToken named_token(const Json& value, const JsonReader& config, const std::string& key) {
  if (value.is_object()) return read_added_token(config.item(key, value));
  check(value.is_string(), ErrorCode::kData, "[{}] expected a token, found {}", config.where(key), value.type_name());
  AddedToken token;
  token.content = value.as_string();
  token.special = true;
  return token;
}

constexpr const char* kNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                  "pad_token", "cls_token", "mask_token"};

// The list of nameless ones: a newer one that is empty, or an object of names, leaves it to the older.
std::string list_key(const JsonReader& config) {
  const Json* newer = config.value().find("extra_special_tokens");
  const bool none = newer == nullptr || newer->is(Json::Type::kNull) || newer->is_object() ||
                    (newer->is_array() && newer->items().empty());
  return none ? "additional_special_tokens" : "extra_special_tokens";
}

// A token that was there before keeps its marks; of two names for one text the last holds.
void put_special_tokens(AddedList& list, const JsonReader& config) {
  std::vector<AddedToken> tokens;
  const auto put = [&](const std::string& key, const Json& value) {
    AddedToken token = named_token(value, config, key);
    token.special = true;
    if (!list.has(token.content)) tokens.push_back(std::move(token));
  };
  for (const char* key : kNames) {
    if (config.has(key)) put(key, *config.value().find(key));
  }
  for (const auto& [key, value] : config.value().members()) {
    const bool first = std::find(std::begin(kNames), std::end(kNames), key) != std::end(kNames);
    if (!first && names_a_special_token(key) && (value.is_string() || value.is_object())) put(key, value);
  }
  if (const Json* named = config.value().find("extra_special_tokens"); named != nullptr && named->is_object()) {
    for (const auto& [name, token] : named->members()) put("extra_special_tokens", token);
  }
  const std::string more = list_key(config);
  if (config.has(more)) {
    for (const Json& token : config.get_array(more)) put(more, token);
  }
  for (AddedToken& token : tokens) list.put(std::move(token));
}

// {"50254": {"content": ...}}: the ids order the tokens, and transformers counts anew.
void put_decoder(AddedList& list, const JsonReader& decoder) {
  std::map<int64_t, const Json*> by_id;
  for (const auto& [name, token] : decoder.value().members()) {
    int64_t id = -1;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
    check(error == std::errc() && end == name.data() + name.size() && id >= 0, ErrorCode::kData,
          "[{}] expected an id as key, found '{}'", decoder.where(name.substr(0, 60)), name.substr(0, 60));
    by_id[id] = &token;
  }
  for (const auto& [id, token] : by_id) list.put(read_added_token(decoder.item(std::to_string(id), *token)));
}

bool is_named(const JsonReader& config, const std::string& content) {
  return std::any_of(std::begin(kNames), std::end(kNames), [&](const char* key) {
    return config.has(key) && named_token(*config.value().find(key), config, key).content == content;
  });
}

// {"<b>": 50254}: without marks. An id of tokenizer.json is that file's.
void put_old_list(AddedList& list, const JsonReader& tokens, const JsonReader& names) {
  std::map<int64_t, std::string> by_id;
  for (const std::string& content : tokens.keys()) by_id[tokens.get_int(content, 0)] = content;
  std::erase_if(by_id, [&](const auto& entry) { return list.has_id(entry.first) || list.has(entry.second); });
  for (const auto& [id, content] : by_id) {
    AddedToken token;
    token.content = content;
    token.special = is_named(names, content);
    token.normalized = !token.special;
    list.put(std::move(token));
  }
}

// What each ByteLevel step says of a space before the text.
void collect_prefix_spaces(const JsonReader& step, std::vector<bool>& out) {
  if (step.get_string_or("type", "") == "ByteLevel") out.push_back(step.get_bool_or("add_prefix_space", true));
  if (!step.has("pretokenizers")) return;
  for (const Json& inner : step.get_array("pretokenizers"))
    collect_prefix_spaces(step.item("pretokenizers", inner), out);
}

bool has_template(const JsonReader& step) {
  if (step.get_string_or("type", "") == "TemplateProcessing") return true;
  if (!step.has("processors")) return false;
  const Json::Array& steps = step.get_array("processors");
  return std::any_of(steps.begin(), steps.end(),
                     [&](const Json& inner) { return has_template(step.item("processors", inner)); });
}

void compare_settings(const JsonReader& tokenizer, const JsonReader& config) {
  check(!config.get_bool_or("split_special_tokens", false), ErrorCode::kData,
        "[{}] expected false, found true: texts in which special tokens are taken apart are not supported",
        config.where("split_special_tokens"));
  std::vector<bool> said;
  if (const auto step = tokenizer.find_object("pre_tokenizer")) collect_prefix_spaces(*step, said);
  for (const bool own : said) {
    check(config.get_bool_or("add_prefix_space", own) == own, ErrorCode::kData,
          "[{}] expected {} as in tokenizer.json, found the contrary: which of them holds depends on the version of "
          "transformers; make them agree",
          config.where("add_prefix_space"), own);
  }
  const auto post = tokenizer.find_object("post_processor");
  const bool wants = config.get_bool_or("add_bos_token", false) || config.get_bool_or("add_eos_token", false);
  if (wants && !(post && has_template(*post)))
    log_warning("[{}] asks for tokens around a text and tokenizer.json for none, which holds, as in transformers 5",
                config.where("add_bos_token"));
}

}  // namespace

TokenizerCompanions TokenizerCompanions::find(const std::string& directory) {
  TokenizerCompanions out{directory};
  const auto load = [&](const char* name) -> std::optional<Json> {
    const std::string path = join_path(directory, name);
    if (real_fs().kind(path) != FileKind::kRegular) return std::nullopt;
    return load_json(path);
  };
  out.config = load("tokenizer_config.json");
  if (out.config && out.config->find("added_tokens_decoder") != nullptr) return out;
  out.special_tokens = load("special_tokens_map.json");
  out.added_tokens = load("added_tokens.json");
  return out;
}

bool put_in_companions(Json& tokenizer, const std::string& label, const TokenizerCompanions& companions) {
  const JsonReader root(tokenizer, label);
  const JsonReader model = root.get_object("model");
  if (companions.empty() || model.get_string_or("type", "BPE") != "BPE") return false;
  AddedList list(root);
  const auto reader = [&](const std::optional<Json>& json, const char* name) -> std::optional<JsonReader> {
    if (!json) return std::nullopt;
    return JsonReader(*json, join_path(companions.directory, name));
  };
  const auto config = reader(companions.config, "tokenizer_config.json");
  if (config) {
    say_unused_config_keys(*config, join_path(companions.directory, "tokenizer_config.json"));
    compare_settings(root, *config);
    if (const auto decoder = config->find_object("added_tokens_decoder")) put_decoder(list, *decoder);
  }
  // The map's names win over the configuration's.
  Json names = companions.config.value_or(Json::object());
  if (const auto map = reader(companions.special_tokens, "special_tokens_map.json")) {
    for (const auto& [key, value] : map->value().members()) names.set(key, value);
  }
  const JsonReader all_names(names, join_path(companions.directory, "tokenizer_config.json"));
  if (const auto old = reader(companions.added_tokens, "added_tokens.json")) put_old_list(list, *old, all_names);
  put_special_tokens(list, all_names);
  const std::vector<std::string>& put = list.put_in();
  if (put.empty()) return false;
  const auto shown = std::min<std::ptrdiff_t>(10, std::ssize(put));
  log_info("[{}] {} that the files beside it add, as transformers does: {}{}", label, counted(put.size(), "token"),
           fmt::join(put.begin(), put.begin() + shown, " "), std::ssize(put) > shown ? " ..." : "");
  tokenizer.set("added_tokens", list.json());
  return true;
}

std::string read_tokenizer(const std::string& path) {
  std::string text = tokenizer_json_of_vocabulary(read_vocabulary_file(path), path);
  if (path != "tokenizer.json" && !path.ends_with("/tokenizer.json")) return text;
  const TokenizerCompanions companions = TokenizerCompanions::find(parent_dir(path));
  if (companions.empty()) return text;
  Json json = parse_json(text, path);
  return put_in_companions(json, path, companions) ? to_string(json, {.indent = 1}) + "\n" : text;
}

}  // namespace hindscan
