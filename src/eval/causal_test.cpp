#include "eval/causal.h"

#include <gtest/gtest.h>

#include <set>

#include "base/testing/compare.h"
#include "eval/explain_judged.h"
#include "explain/explain_plan.h"
#include "explain/rerun.h"
#include "explain/target.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

// The target's value after other tokens, with the write of one of them dropped (silent < 0: none).
double value_of(const Model& model, const std::vector<int32_t>& tokens, const TargetReport& target, int64_t silent) {
  Input input;
  input.tokens = tokens;
  CtxOptions options;
  options.compute = model.compute();
  options.tap = [&](const TapView& view) {
    if (silent < 0 || !view.name.ends_with(".mixer.k")) return;
    double* row = static_cast<double*>(view.data) + silent * view.C;
    std::fill(row, row + view.C, 0.0);
  };
  Ctx ctx(input, std::move(options));
  const Var h = model.arch().forward(ctx);
  const std::vector<double> seed = target_seed(model, target);
  const double* last = ctx.data<double>(h) + (ctx.rows(h) - 1) * ctx.cols(h);
  return std::inner_product(seed.begin(), seed.end(), last, 0.0);
}

std::vector<int32_t> edited(std::vector<int32_t> tokens, const Edit& e) {
  if (e.kind == EditKind::kRemove) tokens.erase(tokens.begin() + e.position);
  if (e.kind == EditKind::kReplace) tokens[static_cast<size_t>(e.position)] = e.replacement;
  return tokens;
}

TEST(Causal, MeasuredChangesEqualRerunsOfTheEditedText) {
  const Model model = tiny_model(DType::kF64);
  for (int64_t T : {2, 5, 130, 700}) {
    ExplainRequest r;
    Rng rng(3, "text");
    for (int64_t t = 0; t < T; ++t) r.tokens.push_back(static_cast<int32_t>(rng.below(160)));
    r.chunk = 100;
    ExplainReport report = explain(model, r);
    EXPECT_EQ(report.window.last, T);
    EXPECT_EQ(report.window.first, std::max<int64_t>(0, T - 1 - 512));
    const std::vector<Edit> edits = add_causal(model, r, report);
    ASSERT_EQ(edits.size(), static_cast<size_t>(std::min<int64_t>(24, 3 * (T - 1))));
    const double base = value_of(model, r.tokens, report.target, -1);
    for (const Edit& e : edits) {
      ASSERT_GE(e.position, report.window.first);
      ASSERT_LT(e.position, T - 1);
      const double change =
          value_of(model, edited(r.tokens, e), report.target, e.kind == EditKind::kDropWrite ? e.position : -1) - base;
      ASSERT_TRUE(agree(e.measured, change, tol::kF64Absolute.times(10)))
          << edit_name(e.kind) << " at " << e.position << " of " << T;
    }
    ASSERT_FALSE(report.methods.empty());
    for (const MethodReport& m : report.methods) {
      ASSERT_EQ(m.causal.has_value(), m.targeted && m.edited == "token") << m.name;  // a word's score is of no token
      if (!m.causal) continue;
      EXPECT_EQ(m.causal->edits, static_cast<int>(edits.size()));
      EXPECT_EQ(m.causal->first, report.window.first);
      EXPECT_EQ(m.causal->last, T - 1);  // the last one is where the prediction is read
      EXPECT_TRUE(m.causal->sign_agreement);
    }
  }
}

TEST(Causal, EditsAreDistinctAndReproducible) {
  const Model model = tiny_model(DType::kF32);
  ExplainRequest r = request_for(distinct_tokens(9));
  r.causal_edits = 1000;
  const ExplainReport report = explain(model, r);
  const std::vector<Edit> a = draw_edits(model, r, report), b = draw_edits(model, r, report);
  ASSERT_EQ(a.size(), 24u);  // three kinds at each of the eight tokens before the target
  std::set<std::pair<int64_t, int>> seen;
  for (size_t i = 0; i < a.size(); ++i) {
    seen.insert({a[i].position, static_cast<int>(a[i].kind)});
    EXPECT_EQ(a[i].position, b[i].position);
    EXPECT_EQ(a[i].replacement, b[i].replacement);
    EXPECT_NE(a[i].replacement, r.tokens[static_cast<size_t>(a[i].position)]);
  }
  EXPECT_EQ(seen.size(), 24u);
  r.seed = 1;
  bool differs = false;
  const std::vector<Edit> c = draw_edits(model, r, report);
  for (size_t i = 0; i < c.size(); ++i) differs |= c[i].position != a[i].position;
  EXPECT_TRUE(differs);
}

// A small step of the embedding is what gradient-type methods predict; a whole replacement only roughly.
TEST(Causal, ReplacementByANearbyEmbeddingIsPredictedByTheGradient) {
  Model model = tiny_model(DType::kF64);
  ExplainRequest r = request_for(distinct_tokens(12));
  r.methods = parse_methods("gradient-x-input,row");
  const ExplainReport report = explain(model, r);
  Weight& table = *model.weights().find(report.window.embedding->name);
  int32_t spare = 0;
  while (std::find(r.tokens.begin(), r.tokens.end(), spare) != r.tokens.end()) ++spare;
  double* e = static_cast<double*>(table.data);
  const int64_t C = table.cols();
  for (int64_t c = 0; c < C; ++c) e[spare * C + c] = e[r.tokens[4] * C + c] + 1e-5 * static_cast<double>(c - 2);
  std::vector<Edit> edits = {{EditKind::kReplace, 4, spare, 0}};
  measure_edits(model, r, report, edits);
  EXPECT_TRUE(agree(predicted_changes(r, report, report.methods[0], report.methods[0].total(), edits)[0],
                    edits[0].measured, tol::kFirstOrder));
  EXPECT_EQ(predicted_changes(r, report, report.methods[1], report.methods[1].total(), edits)[0],
            -report.methods[1].scores()[4]);
  edits[0].kind = EditKind::kRemove;
  EXPECT_EQ(predicted_changes(r, report, report.methods[0], report.methods[0].total(), edits)[0],
            -report.methods[0].scores()[4]);
}

// Adjoints are kept of the last tokens of a long text only.
TEST(Causal, AReplacementInALongTextIsPredictedByTheAdjointOfItsOwnToken) {
  Model model = tiny_model(DType::kF64);
  ExplainRequest r;
  for (int32_t t = 0; t < 600; ++t) r.tokens.push_back(t * 7 % 159);
  r.methods = parse_methods("gradient-x-input");
  const ExplainReport report = explain(model, r);
  ASSERT_GT(report.window.first, 0);
  Weight& table = *model.weights().find(report.window.embedding->name);
  constexpr int32_t kAt = 595, kSpare = 159;
  double* e = static_cast<double*>(table.data);
  const int64_t C = table.cols();
  for (int64_t c = 0; c < C; ++c) e[kSpare * C + c] = e[r.tokens[kAt] * C + c] + 1e-5 * static_cast<double>(c - 2);
  std::vector<Edit> edits = {{EditKind::kReplace, kAt, kSpare, 0}};
  measure_edits(model, r, report, edits);
  EXPECT_GT(std::abs(edits[0].measured), 1e-9);
  EXPECT_TRUE(agree(predicted_changes(r, report, report.methods[0], report.methods[0].total(), edits)[0],
                    edits[0].measured, tol::kFirstOrder));
}

// Far tokens rarely change anything that can be measured.
TEST(Causal, NearTokensAreEditedMoreOftenThanFarOnes) {
  const Model model = tiny_model(DType::kF32);
  ExplainRequest r;
  ExplainReport report;
  report.window.last = 401;
  report.window.edits_end = 400;
  r.tokens.assign(401, 3);
  int64_t near = 0, all = 0;
  for (r.seed = 0; r.seed < 20; ++r.seed) {
    for (const Edit& e : draw_edits(model, r, report)) {
      near += e.position >= 300;
      ++all;
    }
  }
  EXPECT_GT(near, all / 2);  // of a quarter of the tokens
}

TEST(CaseD3, EditsHoldTheMemoryLimitOrAreRefusedWithWhatTheyTake) {
  const Model model = tiny_model(DType::kF64);
  ExplainRequest r = request_for(distinct_tokens(100));
  ExplainReport report = explain(model, r);
  std::vector<Edit> wide = draw_edits(model, r, report), narrow = wide;
  measure_edits(model, r, report, wide);
  const PassProbe probe = probe_pass(model, walk_of(model, r));
  const EditCost cost = edit_cost(model, r, probe, report.window.first, report.window.last);
  r.mem_limit = score_bytes(model, r) + cost.of(kFewestCopies);
  measure_edits(model, r, report, narrow);  // two copies a pass instead of all
  for (size_t i = 0; i < wide.size(); ++i)
    EXPECT_TRUE(agree(narrow[i].measured, wide[i].measured, tol::kF64Absolute.times(10))) << i;
  r.mem_limit -= 1;
  try {
    measure_edits(model, r, report, narrow);
    ADD_FAILURE() << "expected a refusal";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kResource);
    EXPECT_NE(e.message().find("MiB for two copies of the last 100 tokens"), std::string::npos) << e.message();
  }
  try {  // and before the work, where the walk alone would fit
    r.chunk = 4;
    explain(model, r);
    ADD_FAILURE() << "expected a refusal";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kResource);
  }
}

TEST(Causal, OneTokenHasNothingToEdit) {
  const Model model = tiny_model(DType::kF32);
  ExplainRequest r = request_for(distinct_tokens(1));
  r.methods = parse_methods("frozen");
  ExplainReport report = explain(model, r);
  EXPECT_TRUE(add_causal(model, r, report).empty());
  EXPECT_EQ(report.methods[0].causal->edits, 0);
  EXPECT_FALSE(report.methods[0].causal->spearman);
}

// Swapping target and contrast flips every measured change and leaves a row as it is: its agreement is chance.
// Edits that would judge nothing are not run: they need no memory either.
TEST(Causal, EditsAreRunOnlyWhereTheyJudgeAMethod) {
  const Model model = tiny_model(DType::kF64);
  ExplainRequest r = request_for(distinct_tokens(100), 4);
  r.methods = parse_methods("row");
  const ExplainReport report = explain(model, r);
  const EditCost cost =
      edit_cost(model, r, probe_pass(model, walk_of(model, r)), report.window.first, report.window.last);
  r.mem_limit = score_bytes(model, r) + cost.of(kFewestCopies) - 1;
  EXPECT_FALSE(explain_judged(model, r).methods[0].causal);
  r.methods = parse_methods("rollout,frozen");
  EXPECT_THROW(explain_judged(model, r), Error);
}

TEST(Causal, ScoresThatDoNotKnowTheTargetGetNoFigure) {
  const Model model = tiny_model(DType::kF32);
  ExplainRequest r = request_for(distinct_tokens(12));
  ExplainReport report = explain(model, r);
  add_causal(model, r, report);
  EXPECT_EQ(report.methods.size(), 4u);
  for (const MethodReport& m : report.methods)
    EXPECT_EQ(m.causal.has_value(), m.name == "gradient-x-input" || m.name == "frozen") << m.name;
}

}  // namespace
}  // namespace hindscan
