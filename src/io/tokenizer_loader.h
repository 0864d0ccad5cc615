// Reads tokenizer.json, section by section, into a Tokenizer.
#pragma once
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/json_reader.h"
#include "io/tokenizer.h"

namespace hindscan {

// Vocabulary strings, sorted; chosen names cannot make this slow as they could a hash map.
class VocabIndex {
 public:
  void add(std::string_view name, int32_t id) { entries_.emplace_back(name, id); }
  void sort() { std::sort(entries_.begin(), entries_.end()); }
  int64_t size() const { return std::ssize(entries_); }
  int32_t find(std::string_view name) const {
    const auto it = std::lower_bound(entries_.begin(), entries_.end(), std::pair(name, INT32_MIN));
    return it != entries_.end() && it->first == name ? it->second : -1;
  }

 private:
  std::vector<std::pair<std::string_view, int32_t>> entries_;
};

AddedToken read_added_token(const JsonReader& config);  // all but its id

struct Tokenizer::Loader {
  Tokenizer result;
  const JsonReader root, model;
  const std::string_view label;
  VocabIndex vocab;
  std::vector<char> defined;            // by id
  std::map<int32_t, AddedToken> added;  // by id
  bool greedy = false;                  // longest match instead of byte pairs

  Loader(const JsonReader& file, std::string_view name) : root(file), model(file.get_object("model")), label(name) {}
  void load();

 private:
  void define(const JsonReader& where, int32_t id, std::string bytes);  // stores one token; each id once
  static int64_t highest_id(size_t count);
  void index();

  void check_model();
  void load_vocab();
  std::pair<std::string_view, std::string_view> merge_parts(const Json& merge, size_t line) const;
  void load_merges();
  void make_bpe(MergeTable table);
  void load_normalizer(const JsonReader& config);

  void load_added();
  void take_added(const JsonReader& config, AddedToken token);
  int64_t next_added_id() const;
  void say_numbered_anew() const;

  void load_post_processor(const JsonReader& config);
  void load_template(const JsonReader& config);
  void check_decoder(const std::optional<JsonReader>& config) const;

  struct Numbered {
    int32_t written = 0, given = 0;
  };
  std::map<std::string, Numbered> written_;  // by content
  std::set<int32_t> written_ids_;
  bool has_template_ = false;
};

}  // namespace hindscan
