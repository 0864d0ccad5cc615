// row-logit of the last layer against what the target really loses when one write of that layer is dropped and the
// model runs on: the row's claim, measured.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/testing/compare.h"
#include "eval/rank.h"
#include "explain/edited_batch.h"
#include "explain/families_test_support.h"
#include "explain/value_tap_test_support.h"

namespace hindscan {
namespace {

constexpr double kAcceptance = 0.95;  // rank correlation, median over the texts
constexpr double kLowest = 0.5;       // of one text: a write may be most of what a norm behind the core divides
constexpr int64_t kLength = 60;
constexpr size_t kReachOfAShift = 2;  // of the tokens before the target a token shift reads the last

// Predicted and measured losses of the tokens' writes into the last layer; empty where no tap shows these alone.
struct Losses {
  std::vector<double> row, row_logit, measured;
};

Losses losses(const Model& model, std::vector<int32_t> tokens) {
  ExplainRequest r = request_for(std::move(tokens));
  r.methods = parse_methods("row,row-logit");
  Recorded pass(model, r);
  const auto views = mixer_views<double>(pass.ctx);
  std::optional<ValueTap> tap = value_tap(pass.ctx, *views.back());
  if (!tap) tap = value_tap(pass.ctx, *views.back(), true);
  if (!tap || views.back()->reads_itself()) return {};
  const ExplainReport report = explain(model, r);
  const size_t T = r.tokens.size(), compared = tap->own_term ? T - kReachOfAShift : T;
  PassRoom room;
  const Writes writes = {{tap->name, {}}};
  EditedBatch batch(r.tokens, 0, writes, room);
  for (size_t t = 0; t < compared; ++t) batch.add({EditKind::kDropWrite, static_cast<int64_t>(t), 0});
  const std::vector<double> values = batch.values(model, SequenceState(), report.target);
  const auto last = [&](const MethodReport& m) {
    const std::span<const float> row = m.layers().last(T).first(compared);
    return std::vector<double>(row.begin(), row.end());
  };
  Losses out{last(report.methods[0]), last(report.methods[1]), {}};
  for (size_t i = 1; i < values.size(); ++i) out.measured.push_back(values[0] - values[i]);
  return out;
}

// Over the texts.
struct Ranked {
  double row, row_logit, lowest;  // medians; the lowest of row-logit
};

Ranked ranked(const std::vector<Losses>& texts) {
  std::vector<double> row, row_logit;
  for (const Losses& l : texts) {
    row.push_back(spearman(l.row, l.measured).value_or(-1));
    row_logit.push_back(spearman(l.row_logit, l.measured).value_or(-1));
  }
  std::sort(row.begin(), row.end());
  std::sort(row_logit.begin(), row_logit.end());
  const Ranked out{row[row.size() / 2], row_logit[row.size() / 2], row_logit[0]};
  ::testing::Test::RecordProperty("row", fmt::format("{:.3f}", out.row));
  ::testing::Test::RecordProperty("row_logit", fmt::format("{:.3f}, lowest {:.3f}", out.row_logit, out.lowest));
  return out;
}

class LastLayer : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, LastLayer, ::testing::ValuesIn(all_cases()), [](const auto& name) { return name.param; });

TEST_P(LastLayer, RowLogitRanksDroppedWritesAsTheyAreMeasured) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  if (model.arch().sizes().feature_dim > 0) GTEST_SKIP() << "it reads no tokens";
  std::vector<Losses> texts;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    Rng rng(seed, "texts");
    std::vector<int32_t> tokens;
    for (int64_t t = 0; t < kLength; ++t) tokens.push_back(static_cast<int32_t>(rng.below(kVocab)));
    texts.push_back(losses(model, tokens));
    if (texts.back().measured.empty())
      GTEST_SKIP() << "what the last layer writes cannot be dropped alone: it reads its own output";
  }
  const Ranked found = ranked(texts);
  EXPECT_GE(found.row_logit, kAcceptance);
  EXPECT_GE(found.lowest, kLowest);
  EXPECT_GT(found.row_logit, found.row);
}

TEST(EnglishModel, RowLogitRanksDroppedWritesOfItsLastLayer) {
  const Model model = Model::load(kBuiltInModel).to(DType::kF64);
  std::vector<Losses> texts;
  for (const char* text : {"He opened the door and went into the room, and shut the",
                           "She had never been so happy in all her life, and when the morning came she",
                           "The old man sat down by the fire and told them the story of the king who lost his"})
    texts.push_back(losses(model, model.tokenizer().encode(text)));
  const Ranked found = ranked(texts);
  EXPECT_GE(found.lowest, kAcceptance);
  EXPECT_LT(found.row, 0.5) << "its mean over channels knows no target";
}

}  // namespace
}  // namespace hindscan
