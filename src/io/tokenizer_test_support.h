// Small tokenizers for tests, and what a refused one says.
#pragma once
#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "base/fs.h"
#include "io/byte_level.h"
#include "io/json.h"
#include "io/tokenizer.h"

namespace hindscan {

inline std::string source_path(const std::string& name) { return join_path(HINDSCAN_SOURCE_DIR, name); }

inline const Tokenizer& english() {
  static const Tokenizer tokenizer = Tokenizer::load(source_path("models/english"));
  return tokenizer;
}

// A vocabulary of the 256 bytes and the given merges ("a b").
inline Json tiny(const std::vector<std::string>& merges = {}) {
  Json vocab = Json::object();
  int id = 0;
  for (int b = 0; b < 256; ++b) vocab.set(symbols_of_bytes(std::string(1, static_cast<char>(b))), id++);
  Json list = Json::array();
  for (const std::string& merge : merges) {
    std::string token = merge;
    std::erase(token, ' ');
    if (vocab.find(token) == nullptr) vocab.set(token, id++);
    list.push(merge);
  }
  Json json = Json::object();
  json.set("model", Json::object().set("type", "BPE").set("vocab", vocab).set("merges", list));
  json.set("pre_tokenizer", Json::object().set("type", "ByteLevel").set("add_prefix_space", false));
  return json;
}

inline Json with_model(Json json, const std::string& key, Json value) {
  Json model = *json.find("model");
  return json.set("model", model.set(key, std::move(value)));
}

inline std::string refusal(const Json& json) {
  try {
    Tokenizer::from_json(to_string(json), "tok.json");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData) << e.message();
    return e.message();
  }
  return "accepted";
}

inline Tokenizer from(const Json& json) { return Tokenizer::from_json(to_string(json), "t"); }

}  // namespace hindscan
