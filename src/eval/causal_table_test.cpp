#include "eval/causal_table.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "eval/causal_json.h"
#include "eval/causal_rows.h"
#include "eval/causal_words.h"
#include "eval/edit_draw.h"
#include "explain/run_edits.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

std::vector<EvalText> texts_of(int64_t count, int64_t T = 8) {
  std::vector<EvalText> out;
  for (int64_t i = 0; i < count; ++i) out.push_back({distinct_tokens(T + i % 3, static_cast<uint64_t>(i)), 0, 0, 0});
  return out;
}

CausalOptions few() {
  CausalOptions o;
  o.alternatives = 4;
  o.masks = 20;
  return o;
}

const CausalRow& row_of(const KindTable& kind, const std::string& name) {
  for (const CausalRow& row : kind.rows) {
    if (row.name == name) return row;
  }
  fail(ErrorCode::kInternal, "[test] no row {}", name);
}

double value(const CausalRow& row, const char* figure) { return row.figures[figure_index(figure)].value.value(); }

TEST(CausalTable, EveryMethodHasARowInEveryKindThatIsRun) {
  const Model model = tiny_model(DType::kF32);
  const CausalOptions options = few();
  const CausalTable table = causal_table(model, texts_of(6), options);
  ASSERT_EQ(table.kinds.size(), 4u);
  EXPECT_EQ(table.texts.size(), 6u);
  EXPECT_EQ(table.kinds[kWriteDropped].tokens, 54);
  EXPECT_TRUE(table.skill_by_file.empty());
  EXPECT_EQ(table.kinds[kPlausible].tokens, 54);  // the last tokens too
  EXPECT_EQ(table.kinds[kPlausible].edits, 4 * 54);
  EXPECT_EQ(table.kinds[kRandom].edits, 4 * 54);
  EXPECT_EQ(table.kinds[kRemoved].edits, 48);  // not the last tokens
  for (const size_t k : {kPlausible, kRemoved, kRandom}) {
    const KindTable& kind = table.kinds[k];
    EXPECT_EQ(kind.rows.size(), options.methods.size() + (k == kRemoved ? 1 : 2)) << kind.kind.name;
    for (const MethodSpec& m : options.methods) {
      const CausalRow& row = row_of(kind, m.text());
      EXPECT_EQ(row.targeted, m.info().targeted);
      for (size_t i = 0; i < row.figures.size(); ++i) {
        const bool wanted = row.tokens > 0 && (row.targeted || !accuracy_figures()[i].signed_scores);
        EXPECT_EQ(row.figures[i].value.has_value(), wanted) << row.name << " " << accuracy_figures()[i].name;
        EXPECT_EQ(row.figures[i].interval.has_value(), wanted) << row.name << " " << accuracy_figures()[i].name;
      }
    }
    EXPECT_FALSE(row_of(kind, "1/distance").figures[figure_index("beyond_distance")].value);
  }
  ASSERT_EQ(table.many.size(), options.methods.size() + 4);
  EXPECT_EQ(table.many.back().name, "single edits");
  EXPECT_GT(*table.many.back().additivity.value, 0.3);
}

std::vector<std::string> names_of(const KindTable& kind) {
  std::vector<std::string> out;
  for (const CausalRow& row : kind.rows) out.push_back(row.name);
  return out;
}

TEST(CausalTable, DroppedWritesAreRunWhereAMethodForetellsThem) {
  const Model model = tiny_model(DType::kF64);
  CausalOptions options = few();
  options.methods = parse_methods("half,frozen,scan,leave-one-out,row");
  const CausalTable without = causal_table(model, texts_of(5), options);
  EXPECT_TRUE(without.kinds[kWriteDropped].rows.empty());
  EXPECT_EQ(without.kinds[kWriteDropped].edits, 0);
  options.methods = parse_methods("half,frozen,scan,leave-one-out,row,row-logit");
  const CausalTable with = causal_table(model, texts_of(5), options);
  const KindTable& dropped = with.kinds[kWriteDropped];
  EXPECT_EQ(names_of(dropped), (std::vector<std::string>{"row", "row-logit", "1/distance"}));
  EXPECT_EQ(with.edited_texts, without.edited_texts + dropped.edits + 68);  // 68: curves of its order
  EXPECT_EQ(row_of(dropped, "row-logit").tokens, dropped.tokens);
  // Whole writes of random weights are far from small: dropped_writes_test.cpp has the small ones.
  EXPECT_GT(value(row_of(dropped, "row-logit"), "skill"), 0.25);
  EXPECT_FALSE(row_of(dropped, "row").figures[figure_index("skill")].value);
}

TEST(CausalTable, EachFileHasTheSkillOfItsOwnTexts) {
  const Model model = tiny_model(DType::kF32);
  CausalOptions options = few();
  options.methods = parse_methods("row,frozen");
  std::vector<EvalText> texts = texts_of(12);
  const std::vector<EvalText> first(texts.begin(), texts.begin() + 6);
  for (size_t i = 6; i < texts.size(); ++i) texts[i].file = 1;
  options.files = {"one", "two"};
  const CausalTable both = causal_table(model, texts, options);
  options.files = {"one"};
  const CausalTable one = causal_table(model, first, options);
  EXPECT_TRUE(one.skill_by_file.empty());
  ASSERT_EQ(both.skill_by_file.size(), 2u);
  for (const size_t k : {kPlausible, kRemoved}) {
    const FileTable& table = both.skill_by_file[k == kPlausible ? 0 : 1];
    EXPECT_EQ(table.kind.name, std::string(trial_kind(k).name));
    for (const FileRow& row : table.rows) {
      EXPECT_NE(row.name, "row") << "it knows no direction";
      ASSERT_EQ(row.figures.size(), 2u);
      if (row.name != "frozen") continue;
      const Figure& alone = row_of(one.kinds[k], "frozen").figures[figure_index("skill")];
      EXPECT_EQ(row.figures[0].value, alone.value);
      EXPECT_EQ(row.figures[0].interval->low, alone.interval->low);
      EXPECT_NE(row.figures[1].value, alone.value);
      EXPECT_TRUE(row.figures[1].interval);
    }
    EXPECT_FALSE(table.rows.empty());
  }
  texts[0].file = 2;
  EXPECT_THROW(causal_table(model, texts, options), Error);
}

// Removals that a method ran itself are no prediction, of the last token it says nothing.
TEST(CausalTable, WhatAMethodMeasuredItselfIsLeftOutOfItsAccuracy) {
  const Model model = tiny_model(DType::kF32);
  CausalOptions options = few();
  options.methods = parse_methods("leave-one-out,leave-one-out:tokens=3");
  const CausalTable table = causal_table(model, texts_of(5), options);
  EXPECT_EQ(row_of(table.kinds[kRemoved], "leave-one-out").tokens, 0);
  EXPECT_EQ(row_of(table.kinds[kPlausible], "leave-one-out").tokens, table.kinds[kRemoved].tokens);
  EXPECT_EQ(row_of(table.kinds[kPlausible], "leave-one-out:tokens=3").tokens, 15);
  EXPECT_EQ(row_of(table.kinds[kRemoved], "leave-one-out:tokens=3").tokens, 0);
}

// A scan answers for replacements as well, and most of them lie outside the few tokens that it runs to the end.
TEST(CausalTable, AScanIsAskedForEveryEditAndEditsExactByItsWindowAreLeftOut) {
  const Model model = tiny_model(DType::kF32);
  CausalOptions options = few();
  options.methods = parse_methods("all");
  const std::vector<EvalText> texts = texts_of(5, 20);
  const CausalTable table = causal_table(model, texts, options);
  int64_t scans = 0;
  for (const MethodSpec& m : options.methods) {
    ExplainRequest r = request_for(texts[0].tokens);
    r.methods = {m};
    const std::optional<ScanReach> reach = explain(model, r).methods[0].reach;
    if (!reach) continue;
    ++scans;
    for (const size_t k : {kPlausible, kRemoved, kRandom}) {
      const CausalRow& row = row_of(table.kinds[k], m.text());
      EXPECT_GT(row.tokens, 0) << m.text();
      EXPECT_LE(row.tokens, table.kinds[k].tokens - 5 * (m.number("window") + m.number("tail"))) << m.text();
      EXPECT_GT(value(row, "skill"), 0.7) << m.text();
      EXPECT_GT(value(row, "rank"), 0.7) << m.text();
    }
  }
  EXPECT_GE(scans, 1);
}

TEST(CausalTable, TheSameSeedGivesTheSameTable) {
  const Model model = tiny_model(DType::kF32);
  CausalOptions options = few();
  options.methods = parse_methods("frozen");
  const auto skill = [&] {
    return value(row_of(causal_table(model, texts_of(5), options).kinds[0], "frozen"), "skill");
  };
  const double first = skill();
  EXPECT_EQ(skill(), first);
  options.seed = 1;
  EXPECT_NE(skill(), first);
}

// Scores planted from what the edits did, and the same given to other tokens.
TEST(CausalTable, PlantedScoresReachOneAndShuffledOnesNothing) {
  const Model model = tiny_model(DType::kF32);
  CausalRows rows;
  for (const EvalText& text : texts_of(40, 12)) {
    ExplainRequest r = request_for(text.tokens);
    r.methods = parse_methods("rollout");
    const TargetReport target = explain(model, r).target;
    const int64_t T = std::ssize(text.tokens);
    Rng rng(rows.many().size(), "planted");
    TextTrials trials(kTrials);
    trials[kRandom].edits = draw_random(text.tokens, 160, 0, T, 4, rng);
    trials[kRandom].changes = run_edits(model, r, target, trials[kRandom].edits);
    trials[kRandom].log_p = trials[kRandom].changes;
    Scoring planted{"planted", true, std::vector<double>(text.tokens.size(), 0.0), {}};
    for (size_t e = 0; e < trials[kRandom].edits.size(); ++e)
      planted.scores[static_cast<size_t>(trials[kRandom].edits[e].position)] += std::abs(trials[kRandom].changes[e]);
    for (const Trial& trial : trials)
      planted.trials.push_back({trial.changes, std::vector(trial.edits.size(), Standing::kForetold)});
    Scoring shuffled = planted;
    shuffled.name = "shuffled";
    std::vector<double>& changes = shuffled.trials[kRandom].changes;
    for (size_t i = changes.size(); i > 1; --i) std::swap(changes[i - 1], changes[rng.below(i)]);
    for (size_t i = shuffled.scores.size(); i > 1; --i)
      std::swap(shuffled.scores[i - 1], shuffled.scores[rng.below(i)]);
    rows.add(planted, false, trials, T);
    rows.add(shuffled, false, trials, T);
  }
  const std::vector<CausalRow> found = rows.rows(kRandom);
  ASSERT_EQ(found.size(), 2u);
  for (const FigureInfo& info : accuracy_figures()) {
    const Figure one = found[0].figures[figure_index(info.name)], none = found[1].figures[figure_index(info.name)];
    ASSERT_TRUE(one.value && none.interval) << info.name;
    EXPECT_TRUE(agree(*one.value, 1.0, tol::kF64Absolute)) << info.name;
    EXPECT_LT(*none.value, 0.75) << info.name;  // a direction may be common to a whole text
    const bool centred = std::string_view(info.name).ends_with("rank");
    EXPECT_LT(centred ? std::abs(*none.value) : 0, 0.25) << info.name;
  }
}

TEST(CausalTable, HalvesOfATokensEditsAreBesideEachOther) {
  Trial trial;
  for (int64_t t = 0; t < 2; ++t) {
    for (int k = 0; k < 4; ++k) trial.edits.push_back({EditKind::kReplace, t, 0});
  }
  trial.changes = {1, 3, 5, -7, 2, 2, 2, 2};
  trial.log_p = {1, 2, 3, 4, 5, 6, 7, 8};
  const TextEdits halves = halves_of(trial, 2);
  ASSERT_EQ(halves.edits.size(), 4u);
  EXPECT_EQ(halves.edits[0].predicted, 2);
  EXPECT_EQ(halves.edits[1].measured, -7);
  EXPECT_EQ(halves.edits[1].log_p, 4);
  EXPECT_EQ(halves.sizes, (std::vector<double>{2, 2}));
  EXPECT_EQ(halves.effects, (std::vector<double>{6, 2}));
  EXPECT_EQ(halves.distances, (std::vector<double>{2, 1}));
  trial.edits = removals(0, 2);
  EXPECT_TRUE(halves_of(trial, 2).sizes.empty());
}

TEST(CausalTable, OneTokenAndOneTextHaveNoIntervals) {
  const Model model = tiny_model(DType::kF32);
  CausalOptions options = few();
  options.methods = parse_methods("frozen");
  const std::vector<EvalText> one = {{distinct_tokens(1), 0, 0, 0}};
  const CausalTable table = causal_table(model, one, options);
  EXPECT_TRUE(table.kinds[kRemoved].rows.empty());
  const CausalRow& row = row_of(table.kinds[kPlausible], "frozen");
  EXPECT_TRUE(row.figures[figure_index("skill")].value);
  for (const Figure& f : row.figures) EXPECT_FALSE(f.interval);
  EXPECT_FALSE(row.figures[figure_index("rank")].value);
  for (const ManyRow& r : table.many) EXPECT_FALSE(r.area.value);
}

TEST(CausalTable, TokensThatTheTokenizerAddedStayAsTheyAre) {
  const Model model = tiny_model(DType::kF32);
  CausalOptions options = few();
  options.methods = parse_methods("frozen");
  std::vector<EvalText> texts = texts_of(3, 6);
  for (EvalText& t : texts) t.fixed = 2;
  const CausalTable table = causal_table(model, texts, options);
  EXPECT_EQ(table.kinds[kPlausible].tokens, 21 - 6);
  EXPECT_EQ(table.kinds[kRemoved].tokens, 21 - 9);
}

TEST(CausalTable, RefusesWhatItCannotJudge) {
  const Model model = tiny_model(DType::kF32);
  const auto code = [](const Model& m, std::vector<EvalText> texts, const CausalOptions& options) {
    try {
      causal_table(m, texts, options);
    } catch (const Error& e) {
      return e.code();
    }
    return ErrorCode::kInternal;
  };
  EXPECT_EQ(code(model, {}, few()), ErrorCode::kUsage);
  EXPECT_EQ(code(model, {{{}, 0, 0, 0}}, few()), ErrorCode::kUsage);
  EXPECT_EQ(code(model, {{{3, 4}, 2, 0, 0}}, few()), ErrorCode::kUsage);
  EXPECT_EQ(code(model, {{{3, 400}, 0, 0, 0}}, few()), ErrorCode::kUsage);
  CausalOptions options = few();
  options.mem_limit = 1 << 10;
  EXPECT_EQ(code(model, texts_of(2), options), ErrorCode::kResource);
  Config c = architecture_preset(architecture_names().front(), {.d_model = 16, .n_layer = 1, .vocab_size = 30});
  c.set("pooling", std::string("mean"));
  c.set("num_labels", int64_t{3});
  EXPECT_EQ(code(Model::create(c, DType::kF32, 1), texts_of(2), few()), ErrorCode::kData);
}

TEST(CausalTable, TheWorstIsSaidFirst) {
  const Model model = tiny_model(DType::kF32);
  CausalTable table = causal_table(model, texts_of(6), few());
  CausalRow& bad = table.kinds[kRandom].rows[3];
  bad.figures[figure_index("skill")] = {-71.0, Interval{-90, -50}};
  const std::vector<std::string> words = causal_words(table);
  EXPECT_EQ(words[0], "Worst: " + bad.name +
                          " on replace-random: skill -71.00 [-90.00, -50.00]: worse than saying that nothing happens.");
  EXPECT_NE(to_string(to_json(table)).find("\"summary\":[\"Worst: " + bad.name), std::string::npos);
}

}  // namespace
}  // namespace hindscan
