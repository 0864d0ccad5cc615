#include "explain/hops.h"

#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include <set>

#include "explain/test_support.h"

namespace hindscan {
namespace {

// A text and what the model writes after it.
std::vector<int32_t> answered(const Model& model, std::vector<int32_t> tokens, int64_t answers) {
  for (int64_t i = 0; i < answers; ++i) {
    SequenceState state;
    Runner runner(model);
    const std::span<const float> logits = runner.step(tokens, state);
    tokens.push_back(static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
  }
  return tokens;
}

constexpr int64_t kGiven = 4, kAnswers = 12;
constexpr uint64_t kTexts = 8;

ExplainRequest hops_request(const Model& model, int64_t hops, uint64_t text = 1) {
  ExplainRequest r = request_for(answered(model, distinct_tokens(kGiven, text), kAnswers));
  r.methods = parse_methods("scan:alternatives=0");
  r.measure = "log-p";
  r.hops = hops;
  return r;
}

MethodReport scan_at(const Model& model, ExplainRequest r, int64_t position, int32_t id) {
  r.hops = 1;
  r.target = position;
  r.target_id = id;
  return explain(model, r).methods[0];
}

void check_hop(const Model& model, const ExplainRequest& r, const std::vector<Hop>& hops, size_t h) {
  const Hop& hop = hops[h];
  const MethodReport scan = scan_at(model, r, hop.target.position, hop.target.id);
  EXPECT_TRUE(agree(hop.lost, scan.scores(), tol::kEqual));
  if (!hop.of) return;
  const int64_t token = hop.target.position + 1;
  EXPECT_EQ(hop.target.id, r.tokens[static_cast<size_t>(token)]);
  EXPECT_EQ(hop.target.measure, "log-p");
  EXPECT_EQ(hop.step, hops[*hop.of].step + 1);
  const std::vector<HopSource>& from = hops[*hop.of].sources;
  EXPECT_TRUE(
      std::any_of(from.begin(), from.end(), [&](const HopSource& s) { return s.hop == h && s.token == token; }));
}

TEST(Hops, EveryStepIsTheScanOfAnAnswerThatTheStepBeforeCameFrom) {
  const Model model = tiny_model(DType::kF64);
  int64_t deepest = 0;
  for (uint64_t text = 1; text <= kTexts; ++text) {
    const ExplainRequest r = hops_request(model, 3, text);
    const ExplainReport report = explain(model, r);
    EXPECT_EQ(report.hops.at(0).target.position, report.target.position);
    for (size_t h = 0; h < report.hops.size(); ++h) {
      check_hop(model, r, report.hops, h);
      deepest = std::max(deepest, report.hops[h].step);
    }
  }
  EXPECT_EQ(deepest, 3);
}

TEST(Hops, SourcesAreTheStrongestAndKnownAnswersAreExplainedOnce) {
  const Model model = tiny_model(DType::kF64);
  for (uint64_t text = 1; text <= kTexts; ++text) {
    const ExplainReport report = explain(model, hops_request(model, 4, text));
    std::set<int64_t> positions;
    for (const Hop& hop : report.hops) {
      EXPECT_TRUE(positions.insert(hop.target.position).second) << hop.target.position;
      const double largest = largest_size(hop.lost);
      EXPECT_EQ(hop.sources.empty(), largest == 0);
      EXPECT_TRUE(std::is_sorted(hop.sources.begin(), hop.sources.end(), [](const HopSource& a, const HopSource& b) {
        return std::abs(a.lost) > std::abs(b.lost);
      }));
      for (size_t i = 0; i < hop.sources.size(); ++i) {
        const HopSource& s = hop.sources[i];
        EXPECT_EQ(s.lost, hop.lost[static_cast<size_t>(s.token)]);
        EXPECT_TRUE(i > 0 || std::abs(s.lost) == largest);
        EXPECT_GE(std::abs(s.lost), 0.1 * largest);
        EXPECT_TRUE(!s.hop || s.lost >= 0.25 * largest);
      }
    }
  }
}

TEST(Hops, TokensThatTheModelWouldNotHaveWrittenEndThere) {
  const Model model = tiny_model(DType::kF64);
  ExplainRequest r = request_for(distinct_tokens(12));  // drawn, not answered
  r.hops = 3;
  SequenceState state;
  std::vector<int32_t> own;
  Runner(model).logits(r.tokens, state, [&](int64_t, int64_t count, const float* rows) {
    for (int64_t t = 0; t < count; ++t)
      own.push_back(static_cast<int32_t>(std::max_element(rows + t * 160, rows + (t + 1) * 160) - (rows + t * 160)));
  });
  for (size_t t = 1; t < r.tokens.size(); ++t) ASSERT_NE(own[t - 1], r.tokens[t]);
  EXPECT_EQ(explain(model, r).hops.size(), 1u);
}

// A copy of a copy: "=" is the capital of the letter after "?", which is the one after "!".
TEST(Hops, TheTwoHopModelsAnswerGoesBackOverTheAnswerInBetweenToItsSource) {
  const Model model = Model::load(std::string(HINDSCAN_SOURCE_DIR) + "/models/gold/two-hop");
  const std::string text = "cafgc!bdahgfceabdhcagdfeach?bgcadgfaeh=";
  ExplainRequest r = request_for(model.tokenizer().encode(text));
  r.methods = parse_methods("scan");
  r.hops = 2;
  const ExplainReport report = explain(model, r);
  const auto between = static_cast<int64_t>(text.find('?')) + 1, source = static_cast<int64_t>(text.find('!')) + 1;
  EXPECT_EQ(report.target.text, "B");
  const auto step = std::find_if(report.hops.begin(), report.hops.end(),
                                 [&](const Hop& h) { return h.target.position == between - 1; });
  ASSERT_NE(step, report.hops.end());
  EXPECT_EQ(step->target.text, "b");
  const auto names = [](const Hop& hop, int64_t token) {
    return std::any_of(hop.sources.begin(), hop.sources.end(), [&](const HopSource& s) { return s.token == token; });
  };
  EXPECT_TRUE(names(report.hops[0], between));
  EXPECT_FALSE(names(report.hops[0], source));
  EXPECT_TRUE(names(*step, source));
}

TEST(Hops, OneIsNoneAndLessIsRefused) {
  const Model model = tiny_model(DType::kF64);
  ExplainRequest r = hops_request(model, 1);
  EXPECT_TRUE(explain(model, r).hops.empty());
  r.hops = 0;
  EXPECT_THROW(explain(model, r), Error);
}

}  // namespace
}  // namespace hindscan
