// config.json to Config and back: nesting, lists, and texts that look like either.
#include "model/config_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>

#include "model/model.h"

namespace hindscan {
namespace {

Config read(const std::string& text) { return parse_config(text, "test"); }

int64_t peak_kib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST(ConfigJson, ListsAreReadByTheirType) {
  const Config c = read(R"({"layer_types": ["linear", "full"], "sizes": [3, -1, 8], "empty": [], "scale": [0.5, 2],
                           "blocks": [{"heads": 4, "kind": {"name": "a"}}, {"heads": 8}], "eos": 7})");
  EXPECT_EQ(c.texts("layer_types"), (std::vector<std::string>{"linear", "full"}));
  EXPECT_EQ(c.integers("sizes", -1, 8), (std::vector<int64_t>{3, -1, 8}));
  EXPECT_EQ(c.reals("scale"), (std::vector<double>{0.5, 2}));
  EXPECT_EQ(c.count("blocks"), 2);
  EXPECT_EQ(c.integer("blocks.1.heads", 0, 99), 8);
  EXPECT_EQ(c.text("blocks.0.kind.name", ""), "a");
  EXPECT_TRUE(c.is_list("empty"));
  EXPECT_EQ(c.count("empty"), 0);
  EXPECT_FALSE(c.is_list("absent"));
  EXPECT_TRUE(c.integers("absent", 0, 1).empty());
  EXPECT_THROW(c.integers("sizes", 0, 8), Error);
  EXPECT_THROW(c.texts("sizes"), Error);
  EXPECT_THROW(c.integers("eos", 0, 8), Error);
}

TEST(ConfigJson, WritingAndReadingGivesTheSameConfig) {
  for (const char* text : {
           R"({"a": {"b": [1, null, [true, []], {"c": "x"}], "d": 1.5}, "e": "text"})",
           R"({"a.b": 1, "a": 2, "a.c.d": [3]})",  // dots inside a name
           R"({"": {"": [1]}, "x.": 1, ".y": 2})",
           R"({"limit": [0.0, Infinity, -Infinity], "s": "Infinity \" NaN", "NaN": {"__float__": "Infinity"}})",
       }) {
    const Config c = read(text);
    EXPECT_EQ(config_from_json(config_to_json(c), "again"), c) << text;
    EXPECT_EQ(read(to_string(config_to_json(c))), c) << text;
  }
}

// What lies below a key must not vanish with it.
TEST(CaseA5, AnObjectOrListOfAnotherTypeIsAnError) {
  const auto said = [](const std::string& text, const std::string& key) -> std::string {
    try {
      read(text).has(key);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kData);
      return e.message();
    }
    return "accepted";
  };
  const char* keys[] = {"5", "1.5", "true", R"("x")", "[1]"};
  const char* names[] = {"an integer", "a number", "true or false", "a string", "a list"};
  for (size_t i = 0; i < std::size(keys); ++i) {
    EXPECT_EQ(said(fmt::format(R"({{"ssm_cfg": {}}})", keys[i]), "ssm_cfg.d_state"),
              fmt::format("[test] \"ssm_cfg\" must be an object but is {}; correct the file", names[i]));
  }
  EXPECT_THAT(said(R"({"a": {"b": 3}})", "a.b.c"), ::testing::HasSubstr("\"a.b\" must be an object but is an integer"));
  EXPECT_THAT(said(R"({"limit": 3})", "limit.0"), ::testing::HasSubstr("\"limit\" must be a list or an object"));
  for (const char* good : {R"({"ssm_cfg": null})", R"({})", R"({"ssm_cfg": {}})", R"({"ssm_cfg": {"d_state": null}})"})
    EXPECT_EQ(said(good, "ssm_cfg.d_state"), "accepted");
  EXPECT_EQ(said(R"({"limit": [1]})", "limit.3"), "accepted");
}

TEST(CaseA5, SettingsOfMambaSsmThatAreNoObjectAreRefused) {
  for (const char* ssm : {"5", R"("Mamba1")", "[]", "true"}) {
    const Config c = read(fmt::format(R"({{"d_model": 8, "n_layer": 1, "vocab_size": 19, "ssm_cfg": {}}})", ssm));
    EXPECT_THROW(Model::create(c, DType::kF32, 1), Error) << ssm;
  }
  EXPECT_NO_THROW(
      Model::create(read(R"({"d_model": 8, "n_layer": 1, "vocab_size": 19, "ssm_cfg": {}})"), DType::kF32, 1));
}

TEST(ConfigJson, AListIsWrittenAsOne) {
  Config c;
  c.set_list<std::string>("layer_types", {"linear", "full"});
  c.set_list<int64_t>("none", {});
  c.set("rope.theta", 10000.0);
  EXPECT_EQ(to_string(config_to_json(c)), R"({"layer_types":["linear","full"],"none":[],"rope":{"theta":10000.0}})");
}

TEST(CaseB, InfinityAndNanAreReadAsPythonWritesThem) {
  const Config c = read(R"({"a": [0.0, Infinity], "b":-Infinity,"c":NaN , "d": "NaN, Infinity"})");
  EXPECT_EQ(c.reals("a"), (std::vector<double>{0, INFINITY}));
  EXPECT_EQ(c.reals("a"), read(R"({"a": [0.0, {"__float__": "Infinity"}]})").reals("a"));
  EXPECT_EQ(c.text("d", ""), "NaN, Infinity");
  EXPECT_THROW(c.real("b", 0), Error);  // a setting must be finite where nothing else is said
  EXPECT_THROW(c.real("c", 0, INFINITY, 1), Error);
  EXPECT_EQ(read(R"({"x": Infinity})").real("x", 0, INFINITY, 1), INFINITY);
  for (const char* text : {R"({"x": Infinit})", R"({"x": --Infinity})", R"({"x": NaNa})", R"({"x": 1NaN})", "NaN"})
    EXPECT_THROW(read(text), Error) << text;
}

TEST(CaseC1, MemoryIsBoundedByTheFileNotByKeyTimesElements) {
  std::string text = "{\"" + std::string(100000, 'k') + "\": [0";
  for (int i = 0; i < 20000; ++i) text += ",0";
  const int64_t before = peak_kib();
  const Config c = read(text + "]}");
  EXPECT_EQ(c.count(std::string(100000, 'k')), 20001);
  EXPECT_LT(peak_kib() - before, 64 << 10);
}

TEST(CaseC6, NumbersThatFitNoSizeAreRefused) {
  const Config c = read(R"({"huge": 1e300, "wide": 36028797018963968, "half": 0.5, "whole": 4.0, "small": 1e-300})");
  EXPECT_THROW(c.share("huge", 768, 1, 1, 1 << 24), Error);
  EXPECT_THROW(c.share("small", 768, 1, 1, 1 << 24), Error);
  EXPECT_THROW(c.share("wide", 768, 1, 1, INT64_MAX), Error);
  EXPECT_EQ(c.share("half", 7, 1, 1, 1 << 24), 3);
  EXPECT_THROW(c.integer("huge", 0, INT64_MAX), Error);
  EXPECT_THROW(c.integer("half", 0, 9), Error);
  EXPECT_EQ(c.integer("whole", 0, 9), 4);
}

}  // namespace
}  // namespace hindscan
