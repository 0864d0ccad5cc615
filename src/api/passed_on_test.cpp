// What is asked of the library reaches what answers, and every number comes back under its own name.
#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include <limits>

#include "api/test_support.h"
#include "base/testing/compare.h"
#include "eval/explain_judged.h"
#include "explain/continuation.h"
#include "explain/matrix.h"
#include "explain/sources.h"
#include "explain/target_text.h"
#include "model/encode_text.h"

namespace hindscan {
namespace {

const Model& inner() {
  static const Model model = Model::load(default_model_directory());
  return model;
}

void expect_same(const Explanation::Target& found, const TargetReport& want) {
  EXPECT_EQ(found.kind, "token");
  EXPECT_EQ(found.position, want.position);
  EXPECT_EQ(std::pair(found.id, found.text), std::pair(want.id, want.text));
  EXPECT_EQ(std::pair(found.contrast_id, found.contrast_text), std::pair(want.contrast_id, want.contrast_text));
  EXPECT_EQ(std::pair(found.logit, found.contrast_logit), std::pair(want.logit, want.contrast_logit));
  EXPECT_EQ(found.value, want.logit - want.contrast_logit);
  EXPECT_EQ(found.probability, want.probability);
}

void expect_same(const std::optional<Interval>& found, const std::optional<Interval>& want) {
  ASSERT_TRUE(found && want);
  EXPECT_EQ(std::pair(found->low, found->high), std::pair(want->low, want->high));
}

void expect_same(const Explanation::Method& found, const MethodReport& want) {
  EXPECT_EQ(std::pair(found.name, found.words), std::pair(want.name, want.words));
  EXPECT_EQ(std::pair(found.targeted, found.label), std::pair(want.targeted, want.label));
  EXPECT_EQ(found.skip_share, want.skip_share);
  EXPECT_EQ(found.shares.size(), want.shares.size());
  for (const NamedShare& s : want.shares) EXPECT_EQ(found.shares.at(s.name), s.value) << s.name;
  ASSERT_EQ(found.agreement.has_value(), want.causal.has_value());
  if (!want.causal) return;
  EXPECT_EQ(found.agreement->edits, want.causal->edits);
  EXPECT_EQ(found.agreement->spearman, want.causal->spearman);
  EXPECT_EQ(found.agreement->sign_agreement, want.causal->sign_agreement);
  expect_same(found.agreement->spearman_interval, want.causal->spearman_interval);
  expect_same(found.agreement->sign_interval, want.causal->sign_interval);
  EXPECT_EQ(std::pair(found.agreement->first, found.agreement->last), std::pair(want.causal->first, want.causal->last));
}

// A copy of a copy, asked through the interface and below it.
class CopyOfACopy : public ::testing::Test {
 protected:
  CopyOfACopy() {
    r.tokens = encode_text(model, text);
    r.methods = parse_methods("scan");
    r.causal_edits = 0;
  }
  const std::string folder = std::string(HINDSCAN_SOURCE_DIR) + "/models/gold/two-hop", text = "caf!bdahgfceabd?bcadg=";
  const LanguageModel copying = LanguageModel::load(folder);
  const Model model = Model::load(folder);
  ExplainRequest r;
};

TEST_F(CopyOfACopy, GroupsReachTheWalkAndComeBack) {
  set_target(model, {"B|C", "D|E"}, r);
  const ExplainReport want = explain(model, r);
  const Explanation found =
      copying.explain(text, {.methods = "scan", .target_token = "B|C", .contrast = "D|E", .causal_edits = 0});
  EXPECT_EQ(found.target().value, want.target.value());
  EXPECT_EQ(found.target().also, want.target.also);
  EXPECT_EQ(found.target().contrast_also, want.target.contrast_also);
  EXPECT_EQ(found.target().also.size() + found.target().contrast_also.size(), 2u);
}

TEST_F(CopyOfACopy, ContinuationsReachTheWalkAndComeBack) {
  set_continuation(model, "ac", r);
  const ExplainReport want = explain(model, r);
  const Explanation found = copying.explain(text, {.methods = "scan", .continuation = "ac", .causal_edits = 0});
  EXPECT_EQ(found.target().value, want.target.value());
  EXPECT_EQ(found.target().probability, want.target.probability);
  EXPECT_EQ(found.target().answer_from, std::ssize(text));
  EXPECT_EQ(found.target().text, "ac");
  EXPECT_THROW(copying.explain(text, {.target_token = "a", .continuation = "ac"}), Error);
}

TEST_F(CopyOfACopy, MeasuresAndHopsReachTheWalkAndComeBack) {
  r.hops = 2;
  const ExplainReport want = explain(model, r);
  const Explanation found = copying.explain(text, {.methods = "scan", .causal_edits = 0, .hops = 2});
  ASSERT_EQ(found.hops().size(), want.hops.size());
  ASSERT_GT(want.hops.size(), 1u);
  for (size_t h = 0; h < want.hops.size(); ++h) {
    const Explanation::Hop& hop = found.hops()[h];
    EXPECT_EQ(std::pair(hop.step, hop.of), std::pair(want.hops[h].step, want.hops[h].of));
    EXPECT_EQ(std::pair(hop.target.position, hop.target.value),
              std::pair(want.hops[h].target.position, want.hops[h].target.value()));
    ASSERT_EQ(hop.sources.size(), want.hops[h].sources.size());
    for (size_t s = 0; s < hop.sources.size(); ++s) {
      const HopSource& source = want.hops[h].sources[s];
      EXPECT_EQ(std::pair(hop.sources[s].token, hop.sources[s].lost), std::pair(source.token, source.lost));
      EXPECT_EQ(std::pair(hop.sources[s].measured, hop.sources[s].hop), std::pair(source.measured, source.hop));
    }
  }
  r.measure = "entropy";
  r.hops = 1;
  const Explanation open = copying.explain(text, {.methods = "scan", .measure = "entropy", .causal_edits = 0});
  EXPECT_EQ(open.target().value, explain(model, r).target.value());
  EXPECT_EQ(open.target().measure, "entropy");
  EXPECT_TRUE(open.hops().empty());
}

TEST(Explaining, EveryOptionReachesTheWalkAndEveryNumberComesBack) {
  const Explanation found = english().explain(kText, {.methods = "row,gradient-x-input,frozen,leave-one-out:tokens=3",
                                                      .target = 9,
                                                      .target_token = " the",
                                                      .contrast = " a",
                                                      .causal_edits = 21,
                                                      .seed = 9,
                                                      .chunk = 4});
  ExplainRequest r;
  r.tokens = encode_text(inner(), kText);
  r.methods = parse_methods("row,gradient-x-input,frozen,leave-one-out:tokens=3");
  r.target = 9;
  set_target(inner(), {" the", " a"}, r);
  r.causal_edits = 21;
  r.seed = 9;
  r.chunk = 4;
  const ExplainReport want = explain_judged(inner(), r);
  expect_same(found.target(), want.target);
  ASSERT_EQ(found.methods().size(), want.methods.size());
  for (size_t m = 0; m < want.methods.size(); ++m) expect_same(found.methods()[m], want.methods[m]);
  ASSERT_EQ(found.layers().size(), want.layers.size());
  for (size_t l = 0; l < want.layers.size(); ++l) {
    EXPECT_EQ(found.layers()[l].max_residual, want.layers[l].max_residual);
    EXPECT_EQ(found.layers()[l].target_residual, want.layers[l].target_residual);
    EXPECT_EQ(found.layers()[l].kind, want.layers[l].structure.kind);
  }
  EXPECT_NE(found.to_json().find("\"chunk\":4"), std::string::npos);
  EXPECT_EQ(english().explain(kText, {.methods = "rollout", .contrast = "none"}).target().contrast_id, std::nullopt);
  EXPECT_EQ(code_of([] { english().explain(kText, {.mem_limit = 1 << 20}); }), ErrorCode::kResource);
}

TEST(Explaining, TheStrongestSourcesAreTokensWordsOrSentences) {
  const std::string text = "The king was old. He opened the door and went. Nobody saw him; he shut the";
  const Explanation why = english().explain(text, {.methods = "frozen", .causal_edits = 0});
  ExplainRequest r;
  r.tokens = encode_text(inner(), text);
  r.methods = parse_methods("frozen");
  r.causal_edits = 0;
  const ExplainReport report = explain_judged(inner(), r);
  for (const auto& [by, pieces] :
       {std::pair{Explanation::By::kToken, PieceBy::kToken}, std::pair{Explanation::By::kWord, PieceBy::kWord},
        std::pair{Explanation::By::kSentence, PieceBy::kSentence},
        std::pair{Explanation::By::kParagraph, PieceBy::kParagraph}}) {
    const std::vector<Explanation::Source> found = why.top(std::numeric_limits<size_t>::max(), by);
    const std::vector<Source> want = strongest_sources(report, report.methods[0], pieces, std::ssize(report.tokens));
    ASSERT_EQ(found.size(), want.size());
    double share = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(found[i].text, want[i].piece.bytes);
      EXPECT_EQ(std::pair(found[i].first, found[i].last), std::pair(want[i].piece.first, want[i].piece.last));
      EXPECT_EQ(found[i].score, want[i].score);
      share += found[i].share;
    }
    EXPECT_TRUE(agree(share, 1.0, tol::kF64Sum));
    EXPECT_TRUE(why.top(0, by).empty());
  }
}

// Progress is that of the request: parts of it that count their own steps are not told.
TEST(Explaining, ProgressIsOneTaskThatOnlyGrows) {
  std::vector<uint64_t> done;
  const OnProgress tell = [&](const Progress& p) {
    EXPECT_EQ(p.what, "explain");
    EXPECT_LE(p.done, p.total);
    done.push_back(p.done);
  };
  english().explain(kText, {.methods = "frozen,leave-one-out:tokens=4,integrated-gradients:steps=2",
                            .causal_edits = 12,
                            .chunk = 4,
                            .on_progress = tell});
  EXPECT_GT(done.size(), 4u);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
}

TEST(Matrices, EveryOptionReachesTheMatrix) {
  Session before(english());
  before.feed("Once upon a time");
  const SequenceState state = [] {
    SequenceState s;
    Runner(inner()).step(encode_text(inner(), "Once upon a time"), s);
    return s;
  }();
  using Set = std::pair<MatrixOptions, std::function<void(MatrixRequest&)>>;
  const Set sets[] = {
      {{.layer = 3}, [](MatrixRequest& r) { r.layer = 3; }},
      {{.map = "abs"}, [](MatrixRequest& r) { r.map = MapKind::kAbs; }},
      {{.whole_mixer = true}, [](MatrixRequest& r) { r.fidelity = Fidelity::kMixer; }},
      {{.whole_mixer = true, .without = {"gate"}},
       [](MatrixRequest& r) {
         r.fidelity = Fidelity::kMixer;
         r.without = {MixerPart::kGate};
       }},
      {{.rows = std::pair{3, 8}},
       [](MatrixRequest& r) {
         r.rows = {3, 8};
       }},
      {{.cols = std::pair{2, 6}},
       [](MatrixRequest& r) {
         r.cols = {2, 6};
       }},
      {{.blocks = 3}, [](MatrixRequest& r) { r.blocks = 3; }},
      {{.map = "abs", .blocks = 3, .sums = "bounds"},
       [](MatrixRequest& r) {
         r.map = MapKind::kAbs;
         r.blocks = 3;
         r.sums = Sums::kBounds;
       }},
      {{.after = &before}, [&](MatrixRequest& r) { r.state_in = &state; }},
  };
  const std::vector<float> plain = english().matrix(kText, {}).values;
  for (const auto& [options, set] : sets) {
    MatrixRequest r;
    r.tokens = encode_text(inner(), kText);
    set(r);
    const MatrixResult want = matrix(inner(), r);
    const Matrix found = english().matrix(kText, options);
    EXPECT_EQ(std::pair(found.rows, found.cols), std::pair(want.rows, want.cols));
    EXPECT_EQ(found.values, want.values);
    EXPECT_EQ(found.lower, want.lower);
    EXPECT_EQ(found.upper, want.upper);
    EXPECT_EQ(found.edges, want.edges);
    EXPECT_EQ(found.kind, want.structure.kind);
    EXPECT_NE(found.values, plain) << "the option changes what is found";
  }
  EXPECT_EQ(code_of([] { english().matrix(kText, {.key_dropping = true}); }), ErrorCode::kUsage);
  EXPECT_EQ(code_of([] { english().matrix(kText, {.chunk = 0}); }), ErrorCode::kUsage);
  EXPECT_EQ(code_of([] { english().matrix(kText, {.mem_limit = 1}); }), ErrorCode::kResource);
}

}  // namespace
}  // namespace hindscan
