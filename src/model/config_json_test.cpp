// config.json to Config and back: nesting, lists, and texts that look like either.
#include "model/config_json.h"

#include <gtest/gtest.h>

namespace hindscan {
namespace {

Config read(const std::string& text) { return config_from_json(parse_json(text, "test"), "test"); }

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
           R"({"a.b": 1, "a": 2, "a.c.d": [3]})",                             // a name that is a value and a prefix
           R"({"": {"": [1]}, "x.": 1, ".y": 2})",                            // empty names
           R"({"list": [1, 2], "list.7": 3, "list.x": 4})",                   // more than the list itself
           R"({"#": 3, "n.#": 2, "n.0": 1, "m.#": -1, "k.#": 99999999999})",  // names that look like a length
       }) {
    const Config c = read(text);
    EXPECT_EQ(config_from_json(config_to_json(c), "again").values(), c.values()) << text;
  }
  std::string deep = "{\"a";
  for (int i = 0; i < 100000; ++i) deep += ".a";
  const Config c = read(deep + "\": 1}");
  EXPECT_EQ(config_from_json(config_to_json(c), "again").values(), c.values());
}

TEST(ConfigJson, AListIsWrittenAsOne) {
  Config c;
  c.set_list<std::string>("layer_types", {"linear", "full"});
  c.set_list<int64_t>("none", {});
  c.set("rope.theta", 10000.0);
  EXPECT_EQ(to_string(config_to_json(c)), R"({"layer_types":["linear","full"],"none":[],"rope":{"theta":10000.0}})");
}

}  // namespace
}  // namespace hindscan
