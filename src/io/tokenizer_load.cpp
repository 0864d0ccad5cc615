#include "base/error.h"
#include "base/fs.h"
#include "io/byte_level.h"
#include "io/tokenizer_keys.h"
#include "io/tokenizer_loader.h"

namespace hindscan {

void Tokenizer::Loader::load() {
  say_unused_keys(root, label);
  check_model();
  load_vocab();
  if (!greedy) {
    load_merges();
    if (const auto config = root.find_object("normalizer")) load_normalizer(*config);
    result.pre_tokenizer_ = PreTokenizer::from_json(root);
  }
  load_added();
  if (const auto config = root.find_object("post_processor")) load_post_processor(*config);
  check_decoder(root.find_object("decoder"));
  index();
  if (greedy) result.longest_match_ = LongestMatch(result.tokens_, result.by_bytes_);
}

int64_t Tokenizer::Loader::highest_id(size_t count) {
  constexpr int64_t kSlack = 65536;  // highest id may exceed twice the number of tokens by this much
  return static_cast<int64_t>(2 * count) + kSlack;
}

void Tokenizer::Loader::define(const JsonReader& where, int32_t id, std::string bytes) {
  const auto i = static_cast<size_t>(id);
  if (i >= result.tokens_.size()) {
    result.tokens_.resize(i + 1);
    defined.resize(i + 1);
  }
  check(defined[i] == 0, ErrorCode::kData, "[{}] expected each id once, found {} twice", where.where("vocab"), id);
  defined[i] = 1;
  result.tokens_[i] = std::move(bytes);
}

void Tokenizer::Loader::index() {
  // An added token stands for its text, also when the vocabulary has it; a whole word may still be one.
  std::vector<char> is_text(result.tokens_.size());
  for (const int32_t id : result.by_text_) is_text[static_cast<size_t>(id)] = 1;
  const auto is_word = [&](int32_t id) {
    const std::string& text = result.tokens_[static_cast<size_t>(id)];
    return result.ignore_merges_ && vocab.find(text) == id && bytes_of_symbols(text) == text;
  };
  std::erase_if(result.by_bytes_, [&](int32_t id) { return is_text[static_cast<size_t>(id)] != 0 && !is_word(id); });
  const auto less = [&](int32_t a, int32_t b) {
    const std::string &x = result.tokens_[static_cast<size_t>(a)], &y = result.tokens_[static_cast<size_t>(b)];
    return x != y ? x < y : a < b;
  };
  std::sort(result.by_bytes_.begin(), result.by_bytes_.end(), less);
  std::sort(result.by_text_.begin(), result.by_text_.end(), less);
  std::sort(result.special_.begin(), result.special_.end());
  for (const auto& [id, token] : added) defined[static_cast<size_t>(id)] = 0;
  const auto last = std::find_if(defined.rbegin(), defined.rend(), [](char d) { return d != 0; });
  result.plain_size_ = static_cast<int32_t>(defined.rend() - last);
  for (const char* name : {"<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|im_end|>"}) {
    if (result.eos_id_ < 0) result.eos_id_ = result.find(result.by_text_, name);
  }
}

Tokenizer Tokenizer::from_json(std::string_view text, std::string_view label) {
  const Json json = parse_json(text, label);
  Loader loader(JsonReader(json, std::string(label)), label);
  loader.load();
  return std::move(loader.result);
}

Tokenizer Tokenizer::load(const std::string& path) {
  const bool directory = real_fs().kind(path) == FileKind::kDirectory;
  const std::string file = directory ? join_path(path, "tokenizer.json") : path;
  return from_json(real_fs().read(file, kJsonBytes), file);
}

}  // namespace hindscan
