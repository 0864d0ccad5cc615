// What every structure says of itself: its write, its state, and how a change of the state is carried on.
#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/families_test_support.h"

namespace hindscan {
namespace {

class Structures : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, Structures, ::testing::ValuesIn(all_cases()),
                         [](const auto& name) { return name.param; });

std::vector<double> random_numbers(size_t n, Rng& rng) {
  std::vector<double> out(n);
  for (double& x : out) x = rng.normal();
  return out;
}

// <carry of a row behind the chunk, change carried on> = <carry in front of it, change>, column by column of the state.
TEST_P(Structures, AChangeOfTheStateGoesOnAsRowsComeBack) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  Recorded pass(model, request_of(model, 2000));
  Rng rng(4, "change");
  for (const auto& view : mixer_views<double>(pass.ctx)) {
    const MixerDetail& detail = *pass.ctx.nodes()[view->ops().core].mixer;
    RowCarry<double> carry;
    std::vector<double> out(static_cast<size_t>(view->tokens() * view->maps())),
        missing(static_cast<size_t>(view->channels()));
    view->row(nullptr, carry, out.data(), missing.data());
    size_t numbers = 1;
    for (const int64_t n : detail.state_shape) numbers *= static_cast<size_t>(n);
    std::vector<double> change = random_numbers(numbers, rng);
    const std::vector<double> before = change;
    Transition<double> all;
    if (!view->lead(view->tokens() - 1, all)) {
      EXPECT_TRUE(all.numbers.empty());
      EXPECT_EQ(view->name().kind.find("glr"), std::string::npos) << "a linear recurrence carries its changes";
      continue;
    }
    for (int64_t t = view->tokens() - 1; t-- > 0;) view->lead(t, all);
    view->carry(all, change.data());
    carry.numbers = random_numbers(carry.numbers.size(), rng);
    carry.pending.clear();
    const std::vector<double> behind = carry.numbers;
    view->row(nullptr, carry, out.data(), missing.data());
    const size_t reads = static_cast<size_t>(view->reads()), rows = behind.size() / reads, columns = numbers / rows;
    std::vector<double> after_dot, before_dot;  // [reads, columns]
    for (size_t i = 0; i < reads * columns; ++i) {
      double after_sum = 0, before_sum = 0;
      for (size_t k = 0; k < rows; ++k) {
        after_sum += behind[i / columns * rows + k] * change[k * columns + i % columns];
        before_sum += carry.numbers[i / columns * rows + k] * before[k * columns + i % columns];
      }
      after_dot.push_back(after_sum);
      before_dot.push_back(before_sum);
    }
    EXPECT_TRUE(agree(after_dot, before_dot, tol::kF64Absolute)) << view->name().kind << " of layer " << view->layer;
    EXPECT_TRUE(change != before || !view->name().notes.empty());  // a maximum may take all of the decay
  }
}

// Tokens behind a reset read nothing from before it, and nothing that comes after a chunk reaches over it to the front.
TEST_P(Structures, NothingComesBackThroughAReset) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  const ExplainRequest r = request_of(model, 2000);
  Input input = Recorded::make_input(r.tokens, r.features, model.arch().sizes().feature_dim);
  std::vector<uint8_t> resets(kTokens);
  resets[0] = resets[9] = resets[15] = 1;
  input.resets = resets;
  Ctx ctx(input, Recorded::options(model));
  model.arch().forward(ctx);
  Rng rng(4, "behind");
  for (const auto& view : mixer_views<double>(ctx)) {
    ASSERT_EQ(view->tokens(), kTokens);
    const size_t maps = static_cast<size_t>(view->maps());
    std::vector<double> w(kTokens), out(kTokens * maps), missing(static_cast<size_t>(view->channels()));
    RowCarry<double> carry;
    const auto size_of = [&](size_t from, size_t to) {
      double sum = 0;
      for (size_t i = from * maps; i < to * maps; ++i) sum += std::abs(out[i]);
      return sum;
    };
    w[12] = 1;
    view->row(w.data(), carry, out.data(), missing.data());
    EXPECT_GT(size_of(9, 13), 0) << view->name().kind;
    EXPECT_EQ(size_of(0, 9) + size_of(13, kTokens), 0) << view->name().kind;
    carry.numbers = random_numbers(carry.numbers.size(), rng);  // of what lies behind
    carry.pending.clear();
    std::swap(w[12], w[4]);
    view->row(w.data(), carry, out.data(), missing.data());
    EXPECT_GT(size_of(0, 5), 0) << view->name().kind;
    EXPECT_EQ(size_of(5, 15), 0) << view->name().kind;
    for (const double left : carry.numbers) ASSERT_EQ(left, 0) << view->name().kind;
  }
}

TEST_P(Structures, TheWriteIsATapOfItsMixer) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  Recorded pass(model, request_of(model, 2000));
  for (const auto& view : mixer_views<double>(pass.ctx)) {
    const std::string where = pass.ctx.mixers()[view->mixer].where;
    EXPECT_EQ(view->write_tap().substr(0, where.size() + 1), where + ".");
    EXPECT_EQ(view->state().substr(0, where.size() + 1), where + ".");
  }
}

}  // namespace
}  // namespace hindscan
