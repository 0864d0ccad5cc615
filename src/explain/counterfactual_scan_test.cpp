// Responses to edits, against the model run again on the edited text.
#include "explain/counterfactual_scan.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/families_test_support.h"
#include "explain/run_edits.h"
#include "explain/target.h"

namespace hindscan {
namespace {

class CounterfactualScans : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, CounterfactualScans, ::testing::ValuesIn(cases_with_a_window()),
                         [](const auto& name) { return name.param; });

// Value of the target of the request, or of an edited text whose tokens behind a removed one keep their positions.
double value_of(const Model& model, const ExplainRequest& r, const TargetReport& target, const Edit* edit) {
  SequenceState state = model.initial_state();
  std::vector<int32_t> tokens = r.tokens;
  const size_t at = edit == nullptr ? 0 : static_cast<size_t>(edit->position);
  Runner runner(model);
  const RunSequence before{std::span(tokens).first(at), &state};
  if (at > 0) runner.feed({&before, 1});
  if (edit != nullptr && edit->kind == EditKind::kReplace) tokens[at] = edit->replacement;
  const bool removed = edit != nullptr && edit->kind == EditKind::kRemove;
  const int64_t gone = removed ? edit->count : 0;
  state.tokens += gone;
  std::vector<double> h;
  Input input;
  input.tokens = std::span(tokens).subspan(at + static_cast<size_t>(gone));
  input.states = {&state};
  CtxOptions options;
  options.compute = model.compute();
  Ctx ctx(input, std::move(options));
  const Var out = model.arch().forward(ctx);
  return target_values(model, target, ctx, out).front();
}

std::vector<Edit> all_edits(const ExplainRequest& r) {
  std::vector<Edit> edits;
  for (int64_t t = 0; t < std::ssize(r.tokens); ++t) {
    if (t + 1 < std::ssize(r.tokens)) edits.push_back({EditKind::kRemove, t, 0});
    if (t % 4 == 0 && t + 3 < std::ssize(r.tokens))
      edits.push_back({.kind = EditKind::kRemove, .position = t, .count = 3});
    edits.push_back({EditKind::kReplace, t, (r.tokens[static_cast<size_t>(t)] + 7) % static_cast<int32_t>(kVocab)});
  }
  return edits;
}

struct Case {
  explicit Case(const std::string& name, DType dtype = DType::kF64)
      : model(random_model(config_of(name), dtype)), r(request_of(model, 2000)) {
    usable = !r.tokens.empty() && model.arch().sizes().labels == 0;
    if (!usable) return;
    r.methods = parse_methods("row");
    target = explain(model, r).target;
    edits = all_edits(r);
    const double base = value_of(model, r, target, nullptr);
    for (const Edit& e : edits) truth.push_back(value_of(model, r, target, &e) - base);
  }
  std::vector<double> scan(const ScanReach& reach) const {
    std::vector<double> out;
    for (const ScanResponse& s : scan_edits(model, r, target, edits, reach)) out.push_back(s.change);
    return out;
  }
  Model model;
  ExplainRequest r;
  TargetReport target;
  std::vector<Edit> edits;
  std::vector<double> truth;
  bool usable = false;
};

TEST_P(CounterfactualScans, AreTheRunEditWhereTheWindowMeetsTheTarget) {
  const Case c(GetParam());
  if (!c.usable) GTEST_SKIP() << "no language model";
  EXPECT_TRUE(agree(c.scan({kTokens, 0}), c.truth, tol::kF64Absolute));
  constexpr ScanReach kInTheWalk{kTokens - 2, 0};
  for (const ScanResponse& s : scan_edits(c.model, c.r, c.target, c.edits, kInTheWalk)) EXPECT_TRUE(s.exact);
  EXPECT_TRUE(agree(c.scan(kInTheWalk), c.truth, tol::kF64Absolute));
  EXPECT_TRUE(agree(run_edits(c.model, c.r, c.target, c.edits), c.truth, tol::kF64Absolute));
}

TEST_P(CounterfactualScans, RunLongEditsAsAWholeWhereMemoryIsShort) {
  Case c(GetParam());
  if (!c.usable) GTEST_SKIP() << "no language model";
  constexpr int64_t kLong = 9;  // more than the fewest tokens of a chunk
  c.edits = {{.kind = EditKind::kRemove, .position = 0, .count = kLong},
             {.kind = EditKind::kRemove, .position = 2, .count = kLong}};
  std::vector<double> truth, changes;
  const double base = value_of(c.model, c.r, c.target, nullptr);
  for (const Edit& e : c.edits) truth.push_back(value_of(c.model, c.r, c.target, &e) - base);
  c.r.mem_limit = 1;
  for (const ScanResponse& s : scan_edits(c.model, c.r, c.target, c.edits, {1, 1})) {
    EXPECT_TRUE(s.exact);
    changes.push_back(s.change);
  }
  EXPECT_TRUE(agree(changes, truth, tol::kF64Absolute));
}

// Token v + kVocab / 2 becomes token v, moved by very little.
void make_near_twins(Model& model) {
  Weight* table = nullptr;
  for (size_t i = 0; i < model.weights().size(); ++i) {
    Weight& w = model.weights()[i];
    if (table == nullptr && w.shape.size() == 2 && w.shape[0] == kVocab) table = &w;
  }
  ASSERT_NE(table, nullptr);
  Rng rng(6, "twins");
  double* rows = static_cast<double*>(table->data);
  const int64_t half = kVocab / 2 * table->shape[1];
  for (int64_t i = 0; i < half; ++i) rows[half + i] = rows[i] + 1e-5 * rng.normal();
}

// Edits that change little, so that what is left out of a first order is nothing.
std::vector<Edit> twin_edits(ExplainRequest& r) {
  std::vector<Edit> edits;
  for (int64_t t = 0; t < std::ssize(r.tokens); ++t) {
    int32_t& token = r.tokens[static_cast<size_t>(t)];
    token %= kVocab / 2;
    edits.push_back({EditKind::kReplace, t, token + static_cast<int32_t>(kVocab / 2)});
  }
  return edits;
}

TEST_P(CounterfactualScans, AreTheDerivativeWhereLittleChanges) {
  Case c(GetParam());
  if (!c.usable) GTEST_SKIP() << "no language model";
  make_near_twins(c.model);
  c.edits = twin_edits(c.r);
  c.target = explain(c.model, c.r).target;
  c.truth.clear();
  const double base = value_of(c.model, c.r, c.target, nullptr);
  for (const Edit& e : c.edits) c.truth.push_back(value_of(c.model, c.r, c.target, &e) - base);
  for (const ScanReach reach : {ScanReach{0, 0}, ScanReach{2, 0}, ScanReach{1, 3}, ScanReach{4, 4}}) {
    c.r.mem_limit = reach.window == 2 ? 0 : 1;  // of one byte: in chunks of the fewest tokens
    std::vector<double> changes, ends, linear;
    for (const ScanResponse& s : scan_edits(c.model, c.r, c.target, c.edits, reach)) {
      changes.push_back(s.change);
      ends.push_back(s.end);
      linear.push_back(s.end == 0 ? 0 : s.end_linear);
    }
    EXPECT_TRUE(agree(changes, c.truth, tol::kSmallChange)) << reach.window << " " << reach.tail;
    EXPECT_TRUE(agree(ends, linear, tol::kSmallChange)) << reach.window << " " << reach.tail;
  }
}

// With one mixer all that an edit does to the target goes through its state once no convolution holds the edit any
// more: carried on, it is worth what it was.
TEST_P(CounterfactualScans, CarryAChangeOfTheStateOnByTheTextsTransitions) {
  Case c(GetParam());
  if (!c.usable) GTEST_SKIP() << "no language model";
  const std::string name = GetParam() == kParallel ? "hybrid" : GetParam() == kShortWindow ? "llama" : GetParam();
  c.model = random_model(architecture_preset(name, {.d_model = 32, .n_layer = 1, .vocab_size = kVocab}), DType::kF64);
  const ExplainReport report = explain(c.model, c.r);
  c.target = report.target;
  const bool recurrent = std::all_of(report.layers.begin(), report.layers.end(),
                                     [](const LayerReport& l) { return l.structure.kind.starts_with("glr"); });
  for (const ScanReach reach : {ScanReach{4, 2}, ScanReach{5, 4}}) {
    std::vector<double> before, carried;
    for (const ScanResponse& s : scan_edits(c.model, c.r, c.target, c.edits, reach)) {
      if (s.exact || s.end == 0) continue;
      before.push_back(s.middle);
      carried.push_back(s.end_linear);
    }
    EXPECT_TRUE(agree(carried, before, recurrent ? tol::kF64Total : tol::kF64Total.or_empty()));
  }
}

}  // namespace
}  // namespace hindscan
