#include "io/vocabulary_file.h"

#include <algorithm>
#include <optional>

#include "base/budget.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mmap.h"
#include "base/utf8.h"
#include "io/byte_level.h"
#include "io/json.h"
#include "io/printable.h"
#include "io/python_literal.h"
#include "io/text_file.h"

namespace hindscan {
namespace {

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

struct WorldLine {
  uint32_t id, length;
  std::string_view literal;
};

std::optional<WorldLine> world_line(std::string_view line) {
  const size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || last == first) return std::nullopt;
  const auto id = number_of_digits(line.substr(0, first)), length = number_of_digits(line.substr(last + 1));
  const std::string_view literal = line.substr(first + 1, last - first - 1);
  const bool quoted = literal.size() >= 2 && (literal.back() == '\'' || literal.back() == '"');
  if (!id || !length || !quoted) return std::nullopt;
  return WorldLine{*id, *length, literal};
}

// One whole character.
bool is_character(std::string_view text) {
  if (text.empty()) return false;
  const Utf8Char c = decode_utf8(text, 0);
  return c.valid && c.size == text.size();
}

// A tokenizer.json may have any name; characters that happen to start with a brace are no JSON.
std::optional<Json> maybe_object(std::string_view text, const std::string& label) {
  if (!text.starts_with('{')) return std::nullopt;
  try {
    return parse_json(text, label);
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Whether it is meant as a tokenizer.json, whatever it lacks: a vocabulary's keys are characters or numbers.
bool is_tokenizer(const Json& json) {
  constexpr const char* kKeys[] = {"model", "added_tokens", "pre_tokenizer", "normalizer", "decoder", "version"};
  return json.is_object() &&
         std::any_of(std::begin(kKeys), std::end(kKeys), [&](const char* key) { return json.find(key) != nullptr; });
}

class Characters {
 public:
  explicit Characters(const std::string& label) : label_(label) {}

  void add(uint64_t id, std::string_view character) {
    check(is_character(character), ErrorCode::kData,
          "[{}] expected one character for token {}, found '{}'; words need a tokenizer.json", label_, id,
          printable(character, 40).text);
    check(id < limit::kTokens && id <= 2 * tokens_.size() + 65536, ErrorCode::kData,
          "[{}] expected ids from 0 on, found {}", label_, id);
    if (id >= tokens_.size()) tokens_.resize(id + 1);
    check(tokens_[id].empty(), ErrorCode::kData, "[{}] expected each id once, found {} twice", label_, id);
    tokens_[id] = character;
  }

  void add_json(const Json& json) {
    if (json.is_array()) {
      for (size_t i = 0; i < json.items().size(); ++i) add(i, text_of(json.items()[i]));
      return;
    }
    check(json.is_object(), ErrorCode::kData, "[{}] expected a list or an object of characters, found {}", label_,
          json.type_name());
    for (const auto& [key, value] : json.members()) {
      const bool named_by_id = !value.is(Json::Type::kInt);
      std::optional<uint64_t> id;
      if (named_by_id) id = number_of_digits(key);
      if (!named_by_id && value.as_int() >= 0) id = static_cast<uint64_t>(value.as_int());
      check(id.has_value(), ErrorCode::kData, "[{}] expected ids from 0 on, found '{}'; words need a tokenizer.json",
            label_, printable(named_by_id ? key : to_string(value), 40).text);
      add(*id, named_by_id ? text_of(value) : key);
    }
  }

  void add_text(std::string_view text) {
    if (text.ends_with('\n') && text.size() > 1) text.remove_suffix(1);
    if (text.find('\n') != std::string_view::npos) {
      for (const std::string_view line : lines_of(text)) add(tokens_.size(), line);
      return;
    }
    while (!text.empty()) {
      const size_t size = decode_utf8(text, 0).size;
      add(tokens_.size(), text.substr(0, size));
      text.remove_prefix(size);
    }
  }

  std::string json() const {
    check(!tokens_.empty(), ErrorCode::kData, "[{}] expected at least one character, found none", label_);
    std::vector<std::string_view> sorted(tokens_.begin(), tokens_.end());
    std::erase(sorted, std::string_view());
    std::sort(sorted.begin(), sorted.end());
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
    check(twice == sorted.end(), ErrorCode::kData, "[{}] expected each character once, found '{}' twice", label_,
          twice == sorted.end() ? std::string_view() : *twice);
    return longest_match_json(tokens_, false);
  }

 private:
  const std::string& text_of(const Json& value) const {
    check(value.is_string(), ErrorCode::kData, "[{}] expected characters, found {}", label_, value.type_name());
    return value.as_string();
  }
  const std::string& label_;
  std::vector<std::string> tokens_;
};

}  // namespace

std::vector<std::string> parse_rwkv_vocabulary(std::string_view text, const std::string& label) {
  std::vector<std::string> tokens(1);
  size_t number = 0;
  for (const std::string_view line : lines_of(text)) {
    ++number;
    const auto fields = world_line(line);
    const auto bytes = fields ? read_python_literal(fields->literal) : std::nullopt;
    check(bytes && bytes->size() == fields->length && !bytes->empty() && bytes->size() <= limit::kTokenBytes,
          ErrorCode::kData,
          "[{}] line {}: expected an id, a quoted text and its length in bytes, found '{}'; fetch the file again",
          label, number, replace_invalid_utf8(line.substr(0, 80)));
    const size_t id = fields->id;
    check(id > 0 && id < limit::kTokens && id <= 2 * number + 65536, ErrorCode::kData,
          "[{}] line {}: expected ids from 1 on, found {}", label, number, id);
    if (id >= tokens.size()) tokens.resize(id + 1);
    check(tokens[id].empty(), ErrorCode::kData, "[{}] line {}: expected each id once, found {} twice", label, number,
          id);
    tokens[id] = *bytes;
  }
  std::vector<std::string_view> sorted(tokens.begin(), tokens.end());
  std::erase(sorted, std::string_view());
  std::sort(sorted.begin(), sorted.end());
  check(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end(), ErrorCode::kData,
        "[{}] expected each token once, found one twice", label);
  return tokens;
}

std::string longest_match_json(const std::vector<std::string>& tokens, bool zero_ends_text) {
  Json::Object vocab;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!tokens[i].empty()) vocab.push_back({symbols_of_bytes(tokens[i]), Json(i)});
  }
  Json added = Json::array();
  if (zero_ends_text) added.push(Json::object().set("id", 0).set("content", "<|endoftext|>").set("special", true));
  Json out = Json::object();
  out.set("version", "1.0").set("added_tokens", std::move(added));
  out.set("model", Json::object().set("type", "LongestMatch").set("vocab", Json(std::move(vocab))));
  return to_string(out, {.indent = 1}) + "\n";
}

std::string read_vocabulary_file(const std::string& path) {
  return text_of_bytes(read_file(path, kJsonBytes), path, TextUse::kVocabulary).text;
}

std::string byte_tokenizer_json() {
  std::vector<std::string> tokens;
  tokens.reserve(256);
  for (int b = 0; b < 256; ++b) tokens.emplace_back(1, static_cast<char>(b));
  return longest_match_json(tokens, false);
}

std::string tokenizer_json_of_vocabulary(std::string_view text, const std::string& label) {
  if (world_line(text.substr(0, text.find('\n')))) return longest_match_json(parse_rwkv_vocabulary(text, label), true);
  Characters characters(label);
  const bool is_json = label.ends_with(".json");
  const std::optional<Json> json = is_json ? std::optional(parse_json(text, label)) : maybe_object(text, label);
  if (json && is_tokenizer(*json)) return std::string(text);
  if (is_json) {
    characters.add_json(*json);
  } else {
    characters.add_text(text);
  }
  return characters.json();
}

std::string find_vocabulary(const std::string& directory, bool characters) {
  const auto is_file = [&](const std::string& name) {
    return real_fs().kind(join_path(directory, name)) == FileKind::kRegular;
  };
  for (const std::string& name : real_fs().list(directory)) {
    if (name.starts_with("rwkv_vocab") && name.ends_with(".txt") && is_file(name)) return join_path(directory, name);
  }
  if (!characters) return "";
  if (is_file("vocab.json") && !is_file("merges.txt")) return join_path(directory, "vocab.json");
  return is_file("vocab.txt") ? join_path(directory, "vocab.txt") : "";
}

}  // namespace hindscan
