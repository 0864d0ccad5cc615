// Added tokens, and what the post-processor puts around a text.
#include "base/budget.h"
#include "base/error.h"
#include "base/log.h"
#include "io/nfc.h"
#include "io/tokenizer_loader.h"

namespace hindscan {

AddedToken read_added_token(const JsonReader& config) {
  AddedToken token;
  token.content = config.get_string("content");
  token.special = config.get_bool_or("special", false);
  token.normalized = config.get_bool_or("normalized", !token.special);
  token.single_word = config.get_bool_or("single_word", false);
  token.lstrip = config.get_bool_or("lstrip", false);
  token.rstrip = config.get_bool_or("rstrip", false);
  check(token.content.size() <= limit::kAddedTokenBytes, ErrorCode::kData, "[{}] expected at most {} bytes, found {}",
        config.where("content"), limit::kAddedTokenBytes, token.content.size());
  return token;
}

void Tokenizer::Loader::load_added() {
  if (!root.has("added_tokens")) return;
  const Json::Array& list = root.get_array("added_tokens");
  const int64_t highest = highest_id(result.tokens_.size() + list.size());
  for (const Json& item : list) {
    const JsonReader config = root.item("added_tokens", item);
    AddedToken token = read_added_token(config);
    token.id = static_cast<int32_t>(config.get_int("id", 0, highest));
    if (!token.content.empty()) take_added(config, std::move(token));  // an empty one is no token to Hugging Face
  }
  say_numbered_anew();
  std::string buffer;
  for (const auto& [id, token] : added) {
    result.tokens_[static_cast<size_t>(id)] = token.content;
    result.by_text_.push_back(id);
    if (token.special) result.special_.push_back(id);
    AddedTokenMatcher& matcher = token.normalized ? result.normalized_added_ : result.raw_added_;
    matcher.add(token, token.normalized && result.nfc_ ? normalize_nfc(token.content, buffer) : token.content);
  }
}

// Hugging Face counts on from the size of the vocabulary and never reads "id" of a token that is not in it.
int64_t Tokenizer::Loader::next_added_id() const {
  return added.empty() ? vocab.size() : std::max<int64_t>(vocab.size(), added.rbegin()->first + int64_t{1});
}

// Of a text that is there twice the last line holds.
void Tokenizer::Loader::take_added(const JsonReader& config, AddedToken token) {
  const auto before = written_.find(token.content);
  const int32_t known = before != written_.end() ? before->second.written : vocab.find(token.content);
  check(known < 0 || known == token.id, ErrorCode::kData,
        "[{}] expected {} for '{}', which has that id already, found {}", config.where("id"), known, token.content,
        token.id);
  Numbered ids{token.id, token.id};
  if (before != written_.end()) {
    ids = before->second;
  } else if (known < 0) {
    const auto i = static_cast<size_t>(token.id);
    const bool of_vocabulary = i < defined.size() && defined[i] != 0 && !added.contains(token.id);
    check(!of_vocabulary && written_ids_.insert(token.id).second, ErrorCode::kData,
          "[{}] expected a free id for '{}', found {}, which another token has", config.where("id"), token.content,
          token.id);
    if (!greedy) ids.given = static_cast<int32_t>(next_added_id());
    define(config, ids.given, token.content);
  }
  written_.emplace(token.content, ids);
  token.id = ids.given;
  added.insert_or_assign(token.id, std::move(token));
}

void Tokenizer::Loader::say_numbered_anew() const {
  const auto moved = [](const auto& entry) { return entry.second.written != entry.second.given; };
  const auto first = std::find_if(written_.begin(), written_.end(), moved);
  if (first == written_.end()) return;
  log_warning(
      "[{}] added tokens are numbered on from the vocabulary, as transformers does whatever the file says: '{}' "
      "is {} and not {}{}",
      label, first->first, first->second.given, first->second.written,
      std::any_of(std::next(first), written_.end(), moved) ? ", and others" : "");
}

void Tokenizer::Loader::load_post_processor(const JsonReader& config) {
  const std::string& type = config.get_string("type");
  if (type == "Sequence") {
    for (const Json& step : config.get_array("processors")) load_post_processor(config.item("processors", step));
  } else if (type == "TemplateProcessing") {
    load_template(config);
  } else {
    check(type == "ByteLevel", ErrorCode::kData, "[{}] expected ByteLevel, TemplateProcessing or Sequence, found '{}'",
          config.where("type"), type);
  }
}

void Tokenizer::Loader::load_template(const JsonReader& config) {
  check(!std::exchange(has_template_, true), ErrorCode::kData, "[{}] expected one TemplateProcessing, found two",
        config.where("type"));
  const Json::Array& items = config.get_array("single");
  const Budget budget(config.where("single"), 0);
  budget.count(items.size(), limit::kTemplateTokens, "items of a template");
  std::map<std::string_view, const Json*> special;
  if (config.has("special_tokens")) {
    for (const auto& [name, token] : config.get_object("special_tokens").value().members()) special[name] = &token;
  }
  std::vector<int32_t>* side = &result.prefix_;
  for (const Json& item : items) {
    const JsonReader part = config.item("single", item);
    if (part.has("Sequence")) {
      check(side == &result.prefix_ && part.get_object("Sequence").get_string_or("id", "A") == "A", ErrorCode::kData,
            "[{}] expected the text A once, found another Sequence", config.where("single"));
      side = &result.suffix_;
      continue;
    }
    const std::string& name = part.get_object("SpecialToken").get_string("id");
    const auto found = special.find(name);
    check(found != special.end(), ErrorCode::kData, "[{}] expected '{}', which the template uses, found none",
          config.where("special_tokens"), name.substr(0, 100));
    const JsonReader token = config.item("special_tokens", *found->second);
    budget.count(result.prefix_.size() + result.suffix_.size() + token.get_array("ids").size(), limit::kTemplateTokens,
                 "tokens around a text");
    for (const int64_t id : token.get_ints("ids", 0, INT32_MAX)) {
      check(id < result.vocab_size(), ErrorCode::kData, "[{}] expected an id below {}, found {}",
            config.where("special_tokens"), result.vocab_size(), id);
      side->push_back(static_cast<int32_t>(id));
    }
  }
  check(side == &result.suffix_, ErrorCode::kData, "[{}] expected a Sequence for the text, found none",
        config.where("single"));
}

void Tokenizer::Loader::check_decoder(const std::optional<JsonReader>& config) const {
  if (!config) return;
  const std::string& type = config->get_string("type");
  check(type == "ByteLevel", ErrorCode::kData, "[{}] expected ByteLevel, found '{}'", config->where("type"), type);
}

}  // namespace hindscan
