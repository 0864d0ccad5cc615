#include <algorithm>
#include <map>

#include "base/budget.h"
#include "base/error.h"
#include "base/fs.h"
#include "io/byte_level.h"
#include "io/json_reader.h"
#include "io/nfc.h"
#include "io/tokenizer.h"

namespace hindscan {
namespace {

constexpr int64_t kIdSlack = 65536;  // highest id may exceed twice the number of tokens by this much

// Vocabulary strings, sorted; chosen names cannot make this slow as they could a hash map.
class VocabIndex {
 public:
  void add(std::string_view name, int32_t id) { entries_.emplace_back(name, id); }
  void sort() { std::sort(entries_.begin(), entries_.end()); }
  int32_t find(std::string_view name) const {
    const auto it = std::lower_bound(entries_.begin(), entries_.end(), std::pair(name, INT32_MIN));
    return it != entries_.end() && it->first == name ? it->second : -1;
  }

 private:
  std::vector<std::pair<std::string_view, int32_t>> entries_;
};

void refuse_option(const JsonReader& config, std::string_view key, bool inactive) {
  check(inactive, ErrorCode::kData, "[{}] this option is not supported, expected it to be off", config.where(key));
}

bool empty_or_absent(const JsonReader& config, std::string_view key) { return config.get_string_or(key, "").empty(); }

}  // namespace

struct Tokenizer::Loader {
  Tokenizer result;
  const JsonReader root;
  const JsonReader model;
  VocabIndex vocab;
  std::vector<char> defined;   // by id
  std::vector<int32_t> added;  // ids of added tokens
  size_t template_items = 0;
  bool greedy = false;  // longest match instead of byte pairs

  explicit Loader(const JsonReader& file) : root(file), model(file.get_object("model")) {}

  void load() {
    check_model();
    load_vocab();
    if (!greedy) {
      load_merges();
      load_normalizer();
      result.pre_tokenizer_ = PreTokenizer::from_json(root);
    }
    load_added();
    load_post_processor(root.find_object("post_processor"));
    check_decoder(root.find_object("decoder"));
    index();
    if (greedy) result.longest_match_ = LongestMatch(result.tokens_, result.by_bytes_);
  }

  void check_model() {
    const std::string type = model.get_string_or("type", "BPE");
    greedy = type == "LongestMatch";
    check(type == "BPE" || greedy, ErrorCode::kData,
          "[{}] expected a BPE tokenizer, found '{}'; other kinds are not supported", model.where("type"), type);
    refuse_option(model, "byte_fallback", !model.get_bool_or("byte_fallback", false));
    refuse_option(model, "dropout", model.get_double_or("dropout", 0.0) == 0.0);
    refuse_option(model, "continuing_subword_prefix", empty_or_absent(model, "continuing_subword_prefix"));
    refuse_option(model, "end_of_word_suffix", empty_or_absent(model, "end_of_word_suffix"));
    result.ignore_merges_ = model.get_bool_or("ignore_merges", false);
  }

  // Stores the bytes of one token; each id once.
  void define(const JsonReader& where, int32_t id, std::string bytes) {
    const auto i = static_cast<size_t>(id);
    if (i >= result.tokens_.size()) {
      result.tokens_.resize(i + 1);
      defined.resize(i + 1);
    }
    check(defined[i] == 0, ErrorCode::kData, "[{}] expected each id once, found {} twice", where.where("vocab"), id);
    defined[i] = 1;
    result.tokens_[i] = std::move(bytes);
  }

  int64_t highest_id(size_t count) const { return static_cast<int64_t>(2 * count) + kIdSlack; }

  void load_vocab() {
    const JsonReader entries = model.get_object("vocab");
    const Json::Object& members = entries.value().members();
    check(!members.empty() && members.size() <= limit::kTokens, ErrorCode::kData,
          "[{}] expected 1 to {} tokens, found {}", model.where("vocab"), limit::kTokens, members.size());
    for (const auto& [name, value] : members) {
      check(value.is(Json::Type::kInt) && value.as_int() >= 0 && value.as_int() <= highest_id(members.size()),
            ErrorCode::kData, "[{}] expected an id from 0 to {}, found {}", entries.where(name),
            highest_id(members.size()), value.is_number() ? to_string(value) : value.type_name());
      const auto id = static_cast<int32_t>(value.as_int());
      vocab.add(name, id);
      auto bytes = bytes_of_symbols(name);
      if (bytes) {
        result.by_bytes_.push_back(id);
      } else {
        result.by_text_.push_back(id);
      }
      define(model, id, bytes ? std::move(*bytes) : name);
    }
    vocab.sort();
  }

  std::pair<std::string_view, std::string_view> merge_parts(const Json& merge, size_t line) const {
    if (merge.is_array() && merge.items().size() == 2 && merge.items()[0].is_string() && merge.items()[1].is_string()) {
      return {merge.items()[0].as_string(), merge.items()[1].as_string()};
    }
    const std::string_view text = merge.is_string() ? std::string_view(merge.as_string()) : std::string_view();
    const size_t space = text.find(' ');
    check(space != std::string_view::npos && text.find(' ', space + 1) == std::string_view::npos, ErrorCode::kData,
          "[{}] expected merge {} to be \"a b\" or [\"a\", \"b\"], found {}", model.where("merges"), line,
          merge.type_name());
    return {text.substr(0, space), text.substr(space + 1)};
  }

  void load_merges() {
    const Json::Array& merges = model.get_array("merges");
    check(merges.size() <= limit::kTokens, ErrorCode::kData, "[{}] expected at most {} merges, found {}",
          model.where("merges"), limit::kTokens, merges.size());
    std::vector<MergeTable::Pair> pairs;
    pairs.reserve(merges.size());
    std::string merged;
    for (size_t i = 0; i < merges.size(); ++i) {
      const auto [left, right] = merge_parts(merges[i], i);
      merged.assign(left).append(right);
      pairs.push_back({vocab.find(left), vocab.find(right), vocab.find(merged)});
      const bool known = pairs.back().left >= 0 && pairs.back().right >= 0 && pairs.back().merged >= 0;
      check(known && !left.empty() && !right.empty(), ErrorCode::kData,
            "[{}] merge {} ('{}' + '{}'): expected both parts and the result in the vocabulary", model.where("merges"),
            i, left.substr(0, 100), right.substr(0, 100));
    }
    make_bpe(MergeTable(pairs));
  }

  void make_bpe(MergeTable table) {
    std::array<int32_t, 256> byte_ids{};
    for (size_t b = 0; b < 256; ++b) {
      const char byte[1] = {static_cast<char>(b)};
      byte_ids[b] = vocab.find(symbols_of_bytes(std::string_view(byte, 1)));
    }
    int32_t unknown = -1;
    const std::string name = model.get_string_or("unk_token", "");
    if (model.has("unk_token")) {
      unknown = vocab.find(name);
      check(unknown >= 0, ErrorCode::kData, "[{}] expected a token of the vocabulary, found '{}'",
            model.where("unk_token"), name);
    }
    result.bpe_ = Bpe(byte_ids, unknown, name, std::move(table));
  }

  void load_normalizer() {
    const auto config = root.find_object("normalizer");
    if (!config) return;
    const std::string& type = config->get_string("type");
    const bool empty_sequence = type == "Sequence" && config->get_array("normalizers").empty();
    check(type == "NFC" || empty_sequence, ErrorCode::kData, "[{}] expected NFC or null, found '{}'",
          config->where("type"), type);
    result.nfc_ = type == "NFC";
  }

  void load_added() {
    if (!root.has("added_tokens")) return;
    const Json::Array& list = root.get_array("added_tokens");
    const int64_t highest = highest_id(result.tokens_.size() + list.size());
    for (const Json& item : list) {
      const JsonReader config(item, root.where("added_tokens"));
      AddedToken token;
      token.id = static_cast<int32_t>(config.get_int("id", 0, highest));
      token.content = config.get_string("content");
      token.special = config.get_bool_or("special", false);
      token.normalized = config.get_bool_or("normalized", !token.special);
      token.single_word = config.get_bool_or("single_word", false);
      token.lstrip = config.get_bool_or("lstrip", false);
      token.rstrip = config.get_bool_or("rstrip", false);
      check(token.content.size() <= limit::kAddedTokenBytes, ErrorCode::kData,
            "[{}] expected at most {} bytes, found {}", config.where("content"), limit::kAddedTokenBytes,
            token.content.size());
      add(config, token);
    }
  }

  void add(const JsonReader& config, const AddedToken& token) {
    const int32_t known = vocab.find(token.content);
    check(known < 0 || known == token.id, ErrorCode::kData, "[{}] '{}' has id {} in the vocabulary and {} here",
          config.where("id"), token.content, known, token.id);
    const auto i = static_cast<size_t>(token.id);
    const bool taken = i < defined.size() && defined[i] != 0;
    check(known >= 0 || !taken || result.tokens_[i] == token.content, ErrorCode::kData,
          "[{}] expected a free id for '{}', found {}, which another token has", config.where("id"), token.content,
          token.id);
    if (!taken) define(config, token.id, "");
    added.push_back(token.id);
    result.tokens_[i] = token.content;
    result.by_text_.push_back(token.id);
    if (token.special) result.special_.push_back(token.id);
    if (!token.normalized) {
      result.raw_added_.add(token, token.content);
    } else {
      std::string buffer;
      result.normalized_added_.add(token, result.nfc_ ? normalize_nfc(token.content, buffer) : token.content);
    }
  }

  void load_post_processor(const std::optional<JsonReader>& config) {
    if (!config) return;
    const std::string& type = config->get_string("type");
    if (type == "Sequence") {
      for (const Json& step : config->get_array("processors")) {
        load_post_processor(JsonReader(step, config->where("processors")));
      }
    } else if (type == "TemplateProcessing") {
      load_template(*config);
    } else {
      check(type == "ByteLevel", ErrorCode::kData,
            "[{}] expected ByteLevel, TemplateProcessing or Sequence, found '{}'", config->where("type"), type);
    }
  }

  // Items and tokens are bounded over all templates of the file; names are looked up in a sorted list.
  void load_template(const JsonReader& config) {
    const Json::Array& items = config.get_array("single");
    const Budget budget(config.where("single"), 0);
    template_items += items.size();
    budget.count(template_items, limit::kTemplateTokens, "items of templates");
    std::map<std::string_view, const Json*> special;
    if (config.has("special_tokens")) {
      for (const auto& [name, token] : config.get_object("special_tokens").value().members()) special[name] = &token;
    }
    std::vector<int32_t>* side = &result.prefix_;
    for (const Json& item : items) {
      const JsonReader part(item, config.where("single"));
      if (part.has("Sequence")) {
        check(side == &result.prefix_, ErrorCode::kData, "[{}] expected one Sequence, found two",
              config.where("single"));
        side = &result.suffix_;
        continue;
      }
      const std::string& name = part.get_object("SpecialToken").get_string("id");
      const auto found = special.find(name);
      check(found != special.end(), ErrorCode::kData, "[{}] expected '{}', which the template uses, found none",
            config.where("special_tokens"), name.substr(0, 100));
      const JsonReader token(*found->second, config.where("special_tokens"));
      budget.count(result.prefix_.size() + result.suffix_.size() + token.get_array("ids").size(),
                   limit::kTemplateTokens, "tokens around a text");
      for (const int64_t id : token.get_ints("ids", 0, INT32_MAX)) {
        check(id < result.vocab_size(), ErrorCode::kData, "[{}] expected an id below {}, found {}",
              config.where("special_tokens"), result.vocab_size(), id);
        side->push_back(static_cast<int32_t>(id));
      }
    }
  }

  void check_decoder(const std::optional<JsonReader>& config) {
    if (!config) return;
    const std::string& type = config->get_string("type");
    check(type == "ByteLevel", ErrorCode::kData, "[{}] expected ByteLevel, found '{}'", config->where("type"), type);
  }

  void index() {
    // An added token stands for its text, also when the vocabulary has it.
    std::vector<char> is_text(result.tokens_.size());
    for (const int32_t id : result.by_text_) is_text[static_cast<size_t>(id)] = 1;
    std::erase_if(result.by_bytes_, [&](int32_t id) { return is_text[static_cast<size_t>(id)] != 0; });
    const auto less = [&](int32_t a, int32_t b) {
      const std::string &x = result.tokens_[static_cast<size_t>(a)], &y = result.tokens_[static_cast<size_t>(b)];
      return x != y ? x < y : a < b;
    };
    std::sort(result.by_bytes_.begin(), result.by_bytes_.end(), less);
    std::sort(result.by_text_.begin(), result.by_text_.end(), less);
    std::sort(result.special_.begin(), result.special_.end());
    for (const int32_t id : added) defined[static_cast<size_t>(id)] = 0;
    const auto last = std::find_if(defined.rbegin(), defined.rend(), [](char d) { return d != 0; });
    result.plain_size_ = static_cast<int32_t>(defined.rend() - last);
    for (const char* name : {"<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|im_end|>"}) {
      if (result.eos_id_ < 0) result.eos_id_ = result.find(result.by_text_, name);
    }
  }
};

Tokenizer Tokenizer::from_json(std::string_view text, std::string_view label) {
  const Json json = parse_json(text, label);
  Loader loader(JsonReader(json, std::string(label)));
  loader.load();
  return std::move(loader.result);
}

Tokenizer Tokenizer::load(const std::string& path) {
  const bool directory = real_fs().kind(path) == FileKind::kDirectory;
  const std::string file = directory ? join_path(path, "tokenizer.json") : path;
  return from_json(real_fs().read(file, kJsonBytes), file);
}

}  // namespace hindscan
