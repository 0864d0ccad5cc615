#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/report.h"
#include "explain/target.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

// Parts add up to the target: in double, in float.
Tolerance complete(DType dtype) { return dtype == DType::kF64 ? tol::kF64Complete : tol::kF32Complete; }

void expect_same_report(const ExplainReport& a, const ExplainReport& b, const Tolerance& t) {
  ASSERT_FALSE(a.methods.empty());
  ASSERT_EQ(a.methods.size(), b.methods.size());
  for (size_t m = 0; m < a.methods.size(); ++m) {
    for (size_t f = 0; f < a.methods[m].arrays.size(); ++f) {
      const ScoreArray &x = a.methods[m].arrays[f], &y = b.methods[m].arrays[f];
      ASSERT_EQ(x.name, y.name);
      if (!x.by_token()) continue;
      EXPECT_TRUE(agree(x.tokens(), y.tokens(), t)) << a.methods[m].name << " " << x.name;
      ASSERT_TRUE(agree(x.no_token, y.no_token, t.times(10).absolute()));
    }
    ASSERT_TRUE(agree(a.methods[m].skip_share, b.methods[m].skip_share, t.times(10).absolute()));
    for (size_t s = 0; s < a.methods[m].shares.size(); ++s) {
      ASSERT_TRUE(agree(a.methods[m].shares[s].value, b.methods[m].shares[s].value, t.times(10).absolute()))
          << a.methods[m].shares[s].name;
    }
  }
}

class Lengths : public ::testing::TestWithParam<std::tuple<DType, int64_t, int64_t>> {};
INSTANTIATE_TEST_SUITE_P(All, Lengths,
                         ::testing::Combine(::testing::Values(DType::kF64, DType::kF32),
                                            ::testing::Values(1, 2, 17, 63, 130), ::testing::Values(1, 7, 64, 2000)));

TEST_P(Lengths, FrozenAddsUpToTheTarget) {
  const auto [dtype, T, chunk] = GetParam();
  const Model model = tiny_model(dtype);
  ExplainRequest r = request_for(distinct_tokens(T), chunk);
  r.methods = parse_methods("frozen");
  const ExplainReport report = explain(model, r);
  const MethodReport& m = report.methods[0];
  ASSERT_TRUE(m.total().completeness);
  const auto [target, residual] = *m.total().completeness;
  EXPECT_TRUE(agree(target, report.target.logit - report.target.contrast_logit, tol::kF64Ulp));
  const double sum = std::accumulate(m.scores().begin(), m.scores().end(), 0.0);
  EXPECT_TRUE(agree(m.total().sum, sum, tol::kF64Sum.times(0.1)));
  EXPECT_TRUE(agree(sum + m.total().state + m.total().no_token + residual, target, tol::kF64Sum.times(0.1)));
  EXPECT_TRUE(agree(target - residual, target, complete(dtype)));
  EXPECT_NE(m.total().no_token, 0.0);
  EXPECT_NE(m.skip_share, 0.0);
}

TEST_P(Lengths, ChunksDoNotChangeTheResult) {
  const auto [dtype, T, chunk] = GetParam();
  const Model model = tiny_model(dtype);
  const ExplainReport whole = explain(model, request_for(distinct_tokens(T))),
                      split = explain(model, request_for(distinct_tokens(T), chunk));
  expect_same_report(whole, split, dtype == DType::kF64 ? tol::kF64Scores : tol::kF32Scores.times(1.5));
}

TEST_P(Lengths, LayersAreComplete) {
  const auto [dtype, T, chunk] = GetParam();
  const ExplainReport report = explain(tiny_model(dtype), request_for(distinct_tokens(T), chunk));
  ASSERT_EQ(report.layers.size(), 3u);
  for (const LayerReport& layer : report.layers) {
    EXPECT_LE(layer.max_residual, dtype == DType::kF64 ? 1e-12 : 1e-5) << layer.layer;
    EXPECT_LE(layer.target_residual, dtype == DType::kF64 ? 1e-12 : 1e-5) << layer.layer;
    EXPECT_EQ(layer.structure.kind, "glr.element");
  }
}

TEST(State, AContinuedTextExplainsItsTailAsTheWholeDoes) {
  for (DType dtype : {DType::kF64, DType::kF32}) {
    const Model model = tiny_model(dtype);
    const std::vector<int32_t> tokens = distinct_tokens(130);
    const SequenceState state = state_after(model, std::span(tokens).first(57));
    ExplainRequest tail = request_for({tokens.begin() + 57, tokens.end()}, 20);
    tail.state_in = &state;
    const ExplainReport whole = explain(model, request_for(tokens)), part = explain(model, tail);
    const Tolerance bar = dtype == DType::kF64 ? tol::kF64Scores.times(10) : tol::kF32Scores.times(2.5);
    EXPECT_EQ(whole.target.id, part.target.id);
    for (size_t m = 0; m < whole.methods.size(); ++m) {
      for (size_t f = 0; f < whole.methods[m].arrays.size(); ++f) {
        const ScoreArray &all = whole.methods[m].arrays[f], &tail_only = part.methods[m].arrays[f];
        if (!all.by_token()) continue;
        EXPECT_TRUE(agree(all.tokens().subspan(57), tail_only.tokens(), bar)) << whole.methods[m].name << all.name;
      }
    }
    const MethodReport& frozen = method_of(part, "frozen");
    EXPECT_NE(frozen.total().state, 0.0);
    const auto [target, residual] = *frozen.total().completeness;
    EXPECT_TRUE(agree(target - residual, target, complete(dtype)));
    EXPECT_EQ(part.layers.size(), 3u);
    for (const LayerReport& layer : part.layers) EXPECT_LE(layer.max_residual, dtype == DType::kF64 ? 1e-11 : 1e-5);
  }
}

TEST(Target, LaterTokensDoNotExist) {
  const Model model = tiny_model(DType::kF32);
  std::vector<int32_t> tokens = distinct_tokens(130);
  ExplainRequest r = request_for(tokens, 16);
  r.target = 40;
  const ExplainReport inside = explain(model, r);
  const ExplainReport shorter = explain(model, request_for({tokens.begin(), tokens.begin() + 41}, 16));
  ASSERT_EQ(inside.tokens.size(), 130u);
  for (size_t m = 0; m < inside.methods.size(); ++m) {
    const std::span<const double> a = inside.methods[m].scores(), b = shorter.methods[m].scores();
    ASSERT_EQ(a.size(), 130u);
    for (size_t j = 0; j < 130; ++j) ASSERT_EQ(a[j], j <= 40 ? b[j] : 0.0) << inside.methods[m].name << " " << j;
  }
  r.target = 40 - 130;
  EXPECT_EQ(explain(model, r).target.position, 40);
}

TEST(Target, ContrastIsTheRunnerUpUnlessAskedFor) {
  const Model model = tiny_model(DType::kF64);
  ExplainRequest r = request_for(distinct_tokens(17));
  r.methods = parse_methods("frozen");
  const ExplainReport chosen = explain(model, r);
  SequenceState state;
  Runner runner(model);
  const std::span<const float> logits = runner.step(r.tokens, state);
  std::vector<size_t> order(logits.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  EXPECT_EQ(static_cast<size_t>(chosen.target.id), order[0]);
  EXPECT_EQ(static_cast<size_t>(*chosen.target.contrast_id), order[1]);
  EXPECT_TRUE(agree(chosen.target.logit, static_cast<double>(logits[order[0]]), tol::kF32Shares.times(0.5)));
  double sum = 0;
  for (float v : logits) sum += std::exp(static_cast<double>(v));
  EXPECT_TRUE(agree(chosen.target.probability, std::exp(static_cast<double>(logits[order[0]])) / sum,
                    tol::kF32Shares.times(0.5)));

  r.contrast = Contrast::kNone;
  const ExplainReport plain = explain(model, r);
  EXPECT_FALSE(plain.target.contrast_id);
  EXPECT_TRUE(agree(plain.methods[0].total().completeness->target, plain.target.logit, tol::kF64Ulp));
  EXPECT_TRUE(agree(plain.methods[0].total().completeness->residual, 0, tol::kF64Absolute.times(100)));

  r.contrast = Contrast::kId;
  r.contrast_id = static_cast<int32_t>(order[7]);
  r.target_id = static_cast<int32_t>(order[3]);
  const ExplainReport named = explain(model, r);
  EXPECT_TRUE(agree(named.target.value(), static_cast<double>(logits[order[3]] - logits[order[7]]),
                    tol::kF32Shares.times(0.5)));

  r.contrast = Contrast::kAuto;
  EXPECT_EQ(static_cast<size_t>(*explain(model, r).target.contrast_id), order[0]);
}

TEST(Request, IsChecked) {
  const Model model = tiny_model(DType::kF32);
  const auto code = [&](auto&& change) {
    ExplainRequest r = request_for(distinct_tokens(5));
    change(r);
    try {
      explain(model, r);
    } catch (const Error& e) {
      return e.code();
    }
    return ErrorCode::kInternal;
  };
  EXPECT_EQ(code([](ExplainRequest& r) { r.tokens.clear(); }), ErrorCode::kUsage);
  EXPECT_EQ(code([](ExplainRequest& r) { r.target = 5; }), ErrorCode::kUsage);
  EXPECT_EQ(code([](ExplainRequest& r) { r.target = -6; }), ErrorCode::kUsage);
  EXPECT_EQ(code([](ExplainRequest& r) { r.tokens[2] = 160; }), ErrorCode::kUsage);
  EXPECT_EQ(code([](ExplainRequest& r) { r.target_id = 160; }), ErrorCode::kUsage);
  EXPECT_EQ(code([](ExplainRequest& r) { r.chunk = 0; }), ErrorCode::kUsage);
  EXPECT_EQ(code([](ExplainRequest& r) { r.mem_limit = 1000; }), ErrorCode::kResource);
  EXPECT_THROW(parse_methods("row,lime"), Error);
  EXPECT_EQ(parse_methods("frozen,row"), (std::vector<MethodSpec>{{"frozen"}, {"row"}}));
  EXPECT_EQ(parse_methods("all").size(), method_table().size());
}

TEST(Request, AMethodIsOneStringWithItsOptions) {
  const std::vector<MethodSpec> two =
      parse_methods("row:estimator=key-dropping,frozen,frozen,row:estimator=key-dropping");
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[0].text(), "row:estimator=key-dropping");
  EXPECT_EQ(two[0].option("estimator"), "key-dropping");
  EXPECT_EQ(parse_methods(two[0].text()), (std::vector<MethodSpec>{two[0]}));
  EXPECT_EQ(two[1].text(), "frozen");
  EXPECT_EQ(parse_methods("row")[0].option("estimator"), "exact");
  for (const char* wrong :
       {"row:estimator=best", "row:steps=3", "frozen:estimator=exact", "estimator=exact", "row:", "",
        "integrated-gradients:steps=1,steps=2", "integrated-gradients:baseline=zero,baseline=zero"})
    EXPECT_THROW(parse_methods(wrong), Error) << wrong;
  try {
    parse_methods("all:steps=3");
    ADD_FAILURE() << "accepted";
  } catch (const Error& e) {
    EXPECT_NE(e.message().find("expected all without options, found \"all:steps=3\""), std::string::npos) << e.what();
  }
  EXPECT_EQ(parse_methods("integrated-gradients:steps=01,integrated-gradients:steps=1").size(), 1u);
  std::vector<std::string> names;
  for (const MethodSpec& m : parse_methods("frozen,usual,integrated-gradients")) names.push_back(m.text());
  EXPECT_EQ(names, (std::vector<std::string>{"frozen", "scan", "row-logit", "row", "rollout", "gradient-x-input",
                                             "integrated-gradients"}));
}

TEST(Request, NumbersOfAMethodHaveARange) {
  const auto steps = [](const std::string& list) { return parse_methods(list)[0].number("steps"); };
  EXPECT_EQ(steps("integrated-gradients"), 32);
  EXPECT_EQ(steps("integrated-gradients:steps=1"), 1);
  EXPECT_EQ(steps("integrated-gradients:steps=4096"), 4096);
  for (const char* wrong : {"0", "4097", "-1", "3x", "", "99999999999999999999"})
    EXPECT_THROW(steps(fmt::format("integrated-gradients:steps={}", wrong)), Error) << wrong;
  const MethodSpec both = parse_methods("integrated-gradients:baseline=zero,steps=4")[0];
  EXPECT_EQ(both.text(), "integrated-gradients:baseline=zero,steps=4");
  EXPECT_EQ(both.option("baseline"), "zero");
  EXPECT_GT(both.work(), parse_methods("integrated-gradients:steps=3")[0].work());
}

TEST(Request, ChunksShrinkToTheMemoryLimit) {
  const Model model = tiny_model(DType::kF32);
  ExplainRequest r = request_for(distinct_tokens(130));
  r.mem_limit = 512 * 1024;
  const ExplainReport report = explain(model, r);
  EXPECT_LT(report.chunk, 130);
  EXPECT_GE(report.chunk, 16);
  expect_same_report(explain(model, request_for(r.tokens)), report, tol::kF32Scores.times(1.5));
}

// Logits that a float holds may have a gradient that none does.
TEST(Report, ScoresThatLeftTheRangeOfTheirNumbersAreRefused) {
  Model model = tiny_model(DType::kF32);
  const ExplainRequest r = request_for(distinct_tokens(6));
  const std::string table = explain(model, r).window.embedding->name;
  for (size_t i = 0; i < model.weights().size(); ++i) {
    Weight& w = model.weights()[i];
    const float factor = w.name == table ? 1e-4f : w.name == "lm_head.weight" ? 1e36f : 1.0f;
    for (int64_t k = 0; k < w.size(); ++k) static_cast<float*>(w.data)[k] *= factor;
  }
  try {
    explain(model, r);
    ADD_FAILURE() << "expected a refusal";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    EXPECT_NE(e.message().find("the adjoint left the range of its numbers; try f64"), std::string::npos) << e.message();
  }
}

// The schema itself is checked on the program's output; this is what depends on the request.
TEST(Report, JsonHasAnArrayForEachAxesAndNoLayersUnlessAskedFor) {
  const ExplainReport report = explain(tiny_model(DType::kF32), request_for(distinct_tokens(6)));
  const Json json = to_json(report), short_json = to_json(report, false);
  EXPECT_EQ(json.find("schema")->as_string(), "hindscan.explain/3");
  EXPECT_EQ(json.find("methods")->items()[2].find("shares")->members().size(), 5u);
  EXPECT_EQ(json.find("layers")->items().size(), 3u);
  std::vector<std::string> by_token, by_layer;
  for (const Json& a : json.find("arrays")->items()) {
    const std::string name =
        std::string(a.find("method")->as_string()) + " " + std::string(a.find("name")->as_string());
    const size_t axes = a.find("axes")->items().size();
    EXPECT_EQ(a.find("values")->items().size(), axes == 1 ? 6u : 3u) << name;
    EXPECT_EQ(axes == 2 ? a.find("values")->items()[2].items().size() : 6u, 6u) << name;
    EXPECT_EQ(a.find("completeness")->is_null(), name != "frozen model" || axes == 2) << name;
    (axes == 1 ? by_token : by_layer).push_back(name);
  }
  EXPECT_EQ(by_token, (std::vector<std::string>{"row core", "row mixer", "rollout core", "gradient-x-input model",
                                                "gradient-x-input selection", "frozen model"}));
  EXPECT_EQ(by_layer.size(), 10u);  // these less the selection, and five paths
  ASSERT_EQ(short_json.find("arrays")->items().size(), by_token.size());
  for (const Json& a : short_json.find("arrays")->items()) EXPECT_EQ(a.find("axes")->items().size(), 1u);
}

}  // namespace
}  // namespace hindscan
