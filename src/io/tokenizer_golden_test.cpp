// Ids against those of other programs: Hugging Face tokenizers, and published vectors.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/mmap.h"
#include "io/tokenizer_test_support.h"

namespace hindscan {
namespace {

std::string data_path(const std::string& name) {
  const char* env = std::getenv("HINDSCAN_DATA");
  return join_path(env != nullptr ? env : source_path("../shared/data"), name);
}

std::vector<int32_t> ids_of(const Json& array) {
  std::vector<int32_t> ids;
  for (const Json& id : array.items()) ids.push_back(static_cast<int32_t>(id.as_int()));
  return ids;
}

TEST(TokenizerGolden, EnglishVocabulary) {
  const Json golden = load_json(source_path("tests/golden/tokenizer_english.json"));
  ASSERT_FALSE(golden.find("cases")->items().empty());
  for (const Json& item : golden.find("cases")->items()) {
    const std::string& text = item.find("text")->as_string();
    EXPECT_EQ(english().encode(text), ids_of(*item.find("ids"))) << text;
    EXPECT_EQ(english().decode(ids_of(*item.find("ids"))), text);
  }
}

// The file with the sections of `patch`, and of the model the keys it names.
Json patched(Json json, const Json& patch) {
  for (const auto& [key, value] : patch.members()) {
    if (key == "model") {
      for (const auto& [name, setting] : value.members()) json = with_model(std::move(json), name, setting);
    } else {
      json.set(key, value);
    }
  }
  return json;
}

int64_t expect_variants(const std::string& file) {
  const Json golden = load_json(source_path(file)), base = load_json(source_path("models/english/tokenizer.json"));
  int64_t count = 0;
  for (const Json& variant : golden.find("variants")->items()) {
    const Tokenizer tokenizer = from(patched(base, *variant.find("patch")));
    for (const Json& item : variant.find("cases")->items()) {
      EXPECT_EQ(tokenizer.encode(item.find("text")->as_string()), ids_of(*item.find("ids")))
          << variant.find("name")->as_string() << ": " << to_string(*item.find("text"));
      ++count;
    }
  }
  return count;
}

TEST(TokenizerGolden, VariantsOfEverySection) {
  EXPECT_GT(expect_variants("tests/golden/tokenizer_variants.json"), 400);
}

TEST(TokenizerGolden, AddedTokensOfEveryKindNextToEachOther) {
  EXPECT_GT(expect_variants("tests/golden/tokenizer_added.json"), 1000);
}

// Published strings and ids of the GPT-NeoX vocabulary, 47 of each; the last string is empty.
TEST(TokenizerGolden, GptNeoxVectors) {
  const std::string dir = data_path("tokenizers/");
  if (real_fs().kind(dir + "ggml-vocab-mpt.gguf.inp") == FileKind::kNone) GTEST_SKIP() << "skipped: no data";
  const Tokenizer tokenizer = Tokenizer::load(dir + "gpt-neox-20b.tokenizer.json");
  EXPECT_EQ(tokenizer.vocab_size(), 50277);
  EXPECT_EQ(tokenizer.eos_id(), 0);
  const std::string input = read_file(dir + "ggml-vocab-mpt.gguf.inp"), separator = "\n__ggml_vocab_test__\n";
  std::string output = read_file(dir + "ggml-vocab-mpt.gguf.out");
  int passed = 0;
  for (size_t pos = 0, line = 0; pos <= input.size(); ++passed) {
    const size_t end = std::min(input.find(separator, pos), input.size());
    const size_t line_end = std::min(output.find('\n', line), output.size());
    std::string ids;
    const std::string text = input.substr(pos, end - pos);
    for (const int32_t id : tokenizer.encode(text)) ids += fmt::format(" {}", id);
    EXPECT_EQ(ids, output.substr(line, line_end - line)) << text;
    pos = end + separator.size();
    line = line_end + 1;
  }
  EXPECT_EQ(passed, 47);
}

}  // namespace
}  // namespace hindscan
