// The "model" and "normalizer" sections: vocabulary and merges.
#include "base/budget.h"
#include "base/error.h"
#include "io/byte_level.h"
#include "io/tokenizer_loader.h"

namespace hindscan {
namespace {

void refuse_option(const JsonReader& config, std::string_view key, bool inactive) {
  check(inactive, ErrorCode::kData, "[{}] expected this option to be off, found it on, which is not supported",
        config.where(key));
}

bool empty_or_absent(const JsonReader& config, std::string_view key) { return config.get_string_or(key, "").empty(); }

}  // namespace

void Tokenizer::Loader::check_model() {
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

void Tokenizer::Loader::load_vocab() {
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
    define(model, id, bytes ? *bytes : name);
  }
  vocab.sort();
}

std::pair<std::string_view, std::string_view> Tokenizer::Loader::merge_parts(const Json& merge, size_t line) const {
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

void Tokenizer::Loader::load_merges() {
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
          "[{}] merge {} ('{}' + '{}'): expected both parts and the result in the vocabulary", model.where("merges"), i,
          left.substr(0, 100), right.substr(0, 100));
  }
  make_bpe(MergeTable(pairs));
}

void Tokenizer::Loader::make_bpe(MergeTable table) {
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
  const bool complete = std::all_of(byte_ids.begin(), byte_ids.end(), [](int32_t id) { return id >= 0; });
  check(complete || unknown < 0 || !model.get_bool_or("fuse_unk", false), ErrorCode::kData,
        "[{}] expected false, found true: one token for several characters that have none is not supported",
        model.where("fuse_unk"));
  result.bpe_ = Bpe(byte_ids, unknown, name, std::move(table));
}

void Tokenizer::Loader::load_normalizer(const JsonReader& config) {
  const std::string& type = config.get_string("type");
  if (type == "Sequence") {
    for (const Json& step : config.get_array("normalizers")) load_normalizer(config.item("normalizers", step));
    return;
  }
  check(type == "NFC", ErrorCode::kData, "[{}] expected NFC or null, found '{}'", config.where("type"), type);
  result.nfc_ = true;
}

}  // namespace hindscan
