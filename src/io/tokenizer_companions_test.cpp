#include "io/tokenizer_companions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "base/testing/scratch.h"
#include "io/tokenizer_test_support.h"

namespace hindscan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Directory : Scratch {
  std::string write(const std::string& name, const std::string& text) const {
    write_file_atomic(real_fs(), at(name), text);
    return at(name);
  }
};

// The same files under transformers.
TEST(CaseA5, FilesBesideATokenizerAddWhatTransformersAdds) {
  const Json golden = load_json(source_path("tests/golden/tokenizer_companions.json"));
  const Json base = load_json(source_path("models/english/tokenizer.json"));
  ASSERT_GT(golden.find("cases")->items().size(), 20u);
  for (const Json& item : golden.find("cases")->items()) {
    Json tokenizer = base, added = *base.find("added_tokens");
    for (const Json& token : item.find("added")->items()) added.push(token);
    const Directory dir;
    const std::string path = dir.write("tokenizer.json", to_string(tokenizer.set("added_tokens", added)));
    for (const auto& [name, content] : item.find("files")->members()) dir.write(name, to_string(content));
    std::vector<int32_t> want;
    for (const Json& id : item.find("ids")->items()) want.push_back(static_cast<int32_t>(id.as_int()));
    const Tokenizer t = Tokenizer::from_json(read_tokenizer(path), path);
    EXPECT_EQ(t.encode(item.find("text")->as_string()), want) << item.find("name")->as_string();
  }
}

std::string refused_config(const char* config, Json tokenizer = tiny()) {
  TokenizerCompanions companions{"dir"};
  companions.config = parse_json(config, "config");
  try {
    put_in_companions(tokenizer, "dir/tokenizer.json", companions);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    return e.message();
  }
  return "accepted";
}

TEST(CaseA5, SettingsOfATokenizerThatWeDoNotHaveAreRefused) {
  EXPECT_EQ(refused_config(R"({"split_special_tokens": false, "add_prefix_space": false, "bos_token": null})"),
            "accepted");
  EXPECT_THAT(refused_config(R"({"split_special_tokens": true})"),
              HasSubstr("[dir/tokenizer_config.json: split_special_tokens] expected false"));
  EXPECT_THAT(refused_config(R"({"add_prefix_space": true})"), HasSubstr("add_prefix_space] expected false as in"));
  const Json step = Json::object().set("type", "ByteLevel").set("add_prefix_space", true);
  const Json sequence = Json::object().set("type", "Sequence").set("pretokenizers", Json::array().push(step));
  EXPECT_EQ(refused_config(R"({"add_prefix_space": true})", tiny().set("pre_tokenizer", sequence)), "accepted");
  EXPECT_THAT(refused_config(R"({"add_prefix_space": false})", tiny().set("pre_tokenizer", sequence)),
              HasSubstr("expected true as in"));
  EXPECT_THAT(refused_config(R"({"bos_token": 5})"), HasSubstr("bos_token] expected a token, found an integer"));
  EXPECT_THAT(refused_config(R"({"extra_special_tokens": [5]})"), HasSubstr("extra_special_tokens] expected a token"));
  const std::string list = "tokenizer_config.json: added_tokens_decoder";
  EXPECT_THAT(refused_config(R"({"added_tokens_decoder": {"x": {"content": "<a>"}}})"),
              HasSubstr("[dir/" + list + ".x] expected an id as key"));
  EXPECT_THAT(refused_config(R"({"added_tokens_decoder": {"5": {}}})"), HasSubstr("[dir/" + list + ".5.content]"));
  EXPECT_THAT(refused_config(R"({"added_tokens_decoder": {"5": [1]}})"),
              HasSubstr("[dir/tokenizer_config.json] expected added_tokens_decoder.5 to be an object, found an array"));
  EXPECT_THAT(refused_config(R"([])"), HasSubstr("expected the top level to be an object"));
}

TEST(CaseA5, WhatAConfigurationAsksForAndDoesNotGetIsSaid) {
  std::vector<std::string> said;
  const LogSink before = set_log_sink([&](LogLevel, std::string_view text) { said.emplace_back(text); });
  refused_config(R"({"add_eos_token": true, "chat_template": "", "a_new_key": 1})");
  set_log_sink(before);
  EXPECT_THAT(said, ElementsAre(HasSubstr("1 key that this version does not know was not used: a_new_key"),
                                HasSubstr("asks for tokens around a text")));
}

TEST(CaseB, FilesOfATokenizerMayBeginWithAByteOrderMark) {
  const Directory dir;
  const std::string mark = "\xEF\xBB\xBF", path = dir.write("tokenizer.json", mark + to_string(tiny()));
  dir.write("tokenizer_config.json", mark + R"({"bos_token": "<a>"})");
  const Tokenizer t = Tokenizer::from_json(read_tokenizer(path), path);
  EXPECT_THAT(t.encode("x<a>"), ElementsAre(Tokenizer::load(path).encode("x")[0], 256));
}

TEST(TokenizerCompanions, ATokenizerThatLacksNothingStaysAsItIs) {
  const Directory dir;
  const std::string text = to_string(tiny()), path = dir.write("tokenizer.json", text);
  dir.write("tokenizer_config.json", R"({"bos_token": null, "added_tokens_decoder": {}})");
  dir.write("special_tokens_map.json", "not read beside a decoder");
  EXPECT_EQ(read_tokenizer(path), text);
}

}  // namespace
}  // namespace hindscan
