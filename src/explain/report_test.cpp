// Every number of a report stands in its JSON under its own name.
#include "explain/report.h"

#include <gtest/gtest.h>

namespace hindscan {
namespace {

ExplainReport report() {
  ExplainReport r;
  r.model = "tiny";
  r.weights = "sha256:ab";
  r.tokens = {{7, "a", ""}, {8, "\ufffd", "\xc3"}};
  r.target = {1, 5, " x", 6, " y", 2.5, 1.25, 0.75};
  MethodReport m;
  m.name = "frozen";
  m.arrays.push_back(token_array({"model", "words", kTargetUnit}, {1, -3}));
  m.arrays.push_back(layer_array({"value-path", "words", kWeightUnit, "model"}, {1, 2, 3, 4}, 2));
  ScoreArray& scores = m.arrays[0];
  scores.state = 0.5, scores.no_token = 0.25, scores.completeness = {1.25, 3};
  m.shares = {{"value", 9}};
  m.skip_share = 11;
  m.causal = CausalReport{4, 0.1, 0.2, Interval{-0.3, 0.4}, Interval{0.05, 0.6}, 1, 2};
  r.methods.push_back(m);
  r.layers.push_back({3, {"glr.x", "words", "notes", "held"}, 1e-3, 2e-3});
  r.seconds = 12, r.peak_bytes = 13, r.chunk = 14;
  return r;
}

std::string at(const Json& json, const std::string& key) { return to_string(*json.find(key)); }

TEST(ReportJson, ATokenIsItsIdItsTextAndBytesThatAreNoText) {
  const Json json = to_json(report());
  EXPECT_EQ(at(json, "tokens"), "[{\"id\":7,\"text\":\"a\"},{\"id\":8,\"text\":\"\ufffd\",\"bytes\":\"c3\"}]");
}

TEST(ReportJson, TheTargetIsComparedWithItsContrastOrWithNothing) {
  ExplainReport r = report();
  EXPECT_EQ(at(to_json(r), "target"),
            R"({"kind":"token","unit":"logit","position":1,"id":5,"text":" x","contrast_id":6,"contrast_text":" y",)"
            R"("logit":2.5,"contrast_logit":1.25,"probability":0.75})");
  r.target.contrast_id.reset();
  r.target.kind = TargetKind::kNumber;
  EXPECT_EQ(at(to_json(r), "target"),
            R"({"kind":"number","unit":"number","position":1,"id":5,"text":" x","contrast_id":null,)"
            R"("contrast_text":null,"logit":2.5,"contrast_logit":null,"probability":0.75})");
}

TEST(ReportJson, FiguresOfTheCausalCheckHaveTheirOwnIntervals) {
  const Json json = to_json(report());
  EXPECT_EQ(at(json.find("methods")->items()[0], "causal"),
            R"({"edits":4,"spearman":0.1,"spearman_interval":[-0.3,0.4],"sign_agreement":0.2,)"
            R"("sign_interval":[0.05,0.6],"window":[1,2]})");
}

TEST(ReportJson, EffectsOfEditsSayHowEachWasFound) {
  ExplainReport r = report();
  const auto method = [&] { return to_json(r).find("methods")->items()[0]; };
  EXPECT_EQ(method().find("found"), nullptr);
  EXPECT_EQ(method().find("effect_of"), nullptr);
  r.methods[0].effect_of = EditKind::kDropWrite;
  r.methods[0].found = {Found::kMeasured, Found::kNotAsked};
  EXPECT_EQ(at(method(), "found"), R"(["measured",null])");
  r.methods[0].found = {Found::kEstimated, Found::kNotAsked};
  EXPECT_EQ(at(method(), "found"), R"(["estimated",null])");
  EXPECT_EQ(at(method(), "effect_of"), R"("drop-write")");
}

TEST(ReportJson, ArraysSayWhatTheyAre) {
  const Json json = to_json(report());
  const Json::Array& arrays = json.find("arrays")->items();
  ASSERT_EQ(arrays.size(), 2u);
  EXPECT_EQ(
      to_string(arrays[0]),
      R"({"name":"model","method":"frozen","words":"words","axes":["token"],"unit":"target","sum":-2.0,"state":0.5,)"
      R"("no_token":0.25,"completeness":{"target":1.25,"residual":3.0},"values":[1.0,-3.0]})");
  EXPECT_EQ(to_string(arrays[1]),
            R"({"name":"value-path","method":"frozen","words":"words","axes":["layer","token"],"unit":"weight",)"
            R"("part_of":"model","completeness":null,"values":[[1.0,2.0],[3.0,4.0]]})");
}

TEST(ReportJson, LayersKeepTheirTwoResidualsApart) {
  const Json json = to_json(report());
  EXPECT_EQ(to_string(json.find("layers")->items()[0]),
            R"({"layer":3,"kind":"glr.x","structure":"words","max_residual":0.001,"target_residual":0.002,)"
            R"("notes":"notes"})");
  EXPECT_EQ(at(json, "seconds") + at(json, "peak_bytes") + at(json, "chunk"), "12.01314");
}

}  // namespace
}  // namespace hindscan
