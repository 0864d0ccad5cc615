#include "train/trainer.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "train/test_support.h"

namespace hindscan {
namespace {

using test::golden_model;

TrainOptions small_options() {
  TrainOptions o;
  o.out = "unused";
  o.sequences = 2;
  o.length = 16;
  o.steps = 20;
  o.warmup = 4;
  o.lr = 1e-2;
  o.gemm = DType::kF32;
  return o;
}

// The same batch at every step.
class FixedSource final : public BatchSource {
 public:
  FixedSource(std::vector<Batch> micro) : micro_(std::move(micro)) {}
  Batch batch(int64_t, int64_t micro) const override { return micro_[static_cast<size_t>(micro)]; }
  uint64_t hash() const override { return 1; }
  int64_t vocab_size() const override { return 67; }

 private:
  std::vector<Batch> micro_;
};

Batch random_batch(size_t sequences, size_t length, uint64_t seed) {
  Batch b;
  b.tokens = test::random_tokens(sequences * length, seed);
  b.targets = test::random_tokens(sequences * length, seed + 1);
  b.mask.assign(sequences * length, 1.0f);
  b.fresh.assign(sequences, 1);
  return b;
}

Batch slice(const Batch& b, size_t length, size_t first, size_t count) {
  Batch out;
  const auto cut = [&](const auto& from, auto& to, size_t unit) {
    if (!from.empty())
      to.assign(from.begin() + static_cast<std::ptrdiff_t>(first * unit),
                from.begin() + static_cast<std::ptrdiff_t>((first + count) * unit));
  };
  cut(b.tokens, out.tokens, length);
  cut(b.targets, out.targets, length);
  cut(b.mask, out.mask, length);
  cut(b.resets, out.resets, length);
  cut(b.fresh, out.fresh, 1);
  return out;
}

Trainer trainer_on(std::vector<Batch> micro, TrainOptions o, const std::string& name = test::kGoldenModels[0]) {
  return {golden_model(name), std::move(o), std::make_unique<FixedSource>(std::move(micro))};
}

void expect_same_gradients(const Trainer& a, const Trainer& b, const Tolerance& t = tol::kF32Regrouped) {
  ASSERT_GT(a.model().weights().size(), 0u);
  for (size_t k = 0; k < a.model().weights().size(); ++k) {
    const Weight& w = a.model().weights()[k];
    const auto n = static_cast<size_t>(w.size());
    EXPECT_TRUE(agree(std::span(a.gradients().of<float>(w), n), std::span(b.gradients().of<float>(w), n), t)) << w.name;
  }
}

TEST(Trainer, AccumulationEqualsABiggerBatch) {
  Batch all = random_batch(4, 16, 11);
  for (size_t t = 0; t < 20; ++t) all.mask[t] = 0;  // unequal shares of the mask
  TrainOptions big = small_options(), parts = small_options();
  big.sequences = 4;
  parts.accumulation = 2;
  Trainer a = trainer_on({all}, big), b = trainer_on({slice(all, 16, 0, 2), slice(all, 16, 2, 2)}, parts);
  EXPECT_TRUE(agree(a.accumulate_gradients(), b.accumulate_gradients(), tol::kF32Loss.times(0.5)));
  expect_same_gradients(a, b);
}

TEST(Trainer, PackedEqualsSeparate) {
  const Batch all = random_batch(3, 16, 21);
  TrainOptions o = small_options();
  o.sequences = 3;
  Trainer packed = trainer_on({all}, o);
  const double loss = packed.accumulate_gradients();
  o.sequences = 1;
  o.accumulation = 3;
  Trainer separate = trainer_on({slice(all, 16, 0, 1), slice(all, 16, 1, 1), slice(all, 16, 2, 1)}, o);
  EXPECT_TRUE(agree(loss, separate.accumulate_gradients(), tol::kF32Loss.times(0.5)));
  expect_same_gradients(packed, separate);
}

TEST(Trainer, MaskedTargetsDoNotMatter) {
  Batch b = random_batch(2, 16, 31);
  for (size_t t = 0; t < b.mask.size(); t += 3) b.mask[t] = 0;
  Batch other = b;
  for (size_t t = 0; t < b.mask.size(); t += 3) other.targets[t] = (b.targets[t] + 5) % 67;
  Trainer x = trainer_on({b}, small_options()), y = trainer_on({other}, small_options());
  EXPECT_EQ(x.accumulate_gradients(), y.accumulate_gradients());
  expect_same_gradients(x, y, tol::kEqual);
  other.targets[1] = (b.targets[1] + 5) % 67;
  Trainer z = trainer_on({other}, small_options());
  EXPECT_NE(x.accumulate_gradients(), z.accumulate_gradients());
}

TEST(Trainer, AllMaskedIsNoGradient) {
  Batch b = random_batch(2, 16, 33);
  b.mask.assign(b.mask.size(), 0.0f);
  Trainer t = trainer_on({b}, small_options());
  EXPECT_EQ(t.accumulate_gradients(), 0);
  EXPECT_EQ(AdamWOptimizer::gradient_norm(t.model().weights(), t.gradients()), 0);
}

// Loss of the second half of a text: with the state carried it is that of the whole text, without it is not.
TEST(Trainer, StateIsCarriedOrDropped) {
  const Batch whole = random_batch(1, 32, 41);
  TrainOptions o = small_options();
  o.sequences = 1;
  o.length = 32;
  Batch second_only = whole;
  std::fill(second_only.mask.begin(), second_only.mask.begin() + 16, 0.0f);
  const double want = trainer_on({second_only}, o).accumulate_gradients();

  class Halves final : public BatchSource {
   public:
    Halves(Batch whole_batch, bool carry) : whole_(std::move(whole_batch)), carry_(carry) {}
    Batch batch(int64_t step, int64_t) const override {
      Batch b = slice(whole_, 16, static_cast<size_t>(step), 1);
      b.fresh = {static_cast<uint8_t>(step == 0 || !carry_)};
      return b;
    }
    uint64_t hash() const override { return 2; }
    int64_t vocab_size() const override { return 67; }

   private:
    Batch whole_;
    bool carry_;
  };
  o.length = 16;
  o.lr = 1e-30;  // steps that change nothing
  o.min_lr = 0;
  o.weight_decay = 0;
  Batch flat = whole;
  flat.fresh = {1, 1};
  for (bool carry : {true, false}) {
    Trainer t(golden_model(test::kGoldenModels[0]), o, std::make_unique<Halves>(flat, carry));
    t.step();
    const double got = t.step().loss;
    if (carry)
      EXPECT_TRUE(agree(got, want, tol::kF32Loss.times(0.5)));
    else
      EXPECT_GT(std::abs(got - want), 1e-4);
  }
}

TEST(Trainer, ResetStartsFromZero) {
  Batch b = random_batch(1, 32, 51);
  b.resets.assign(32, 0);
  b.resets[16] = 1;
  TrainOptions o = small_options();
  o.sequences = 1;
  o.length = 32;
  Trainer packed = trainer_on({b}, o);
  Batch halves = b;
  halves.resets.clear();
  halves.fresh = {1, 1};
  o.sequences = 2;
  o.length = 16;
  Trainer separate = trainer_on({halves}, o);
  EXPECT_TRUE(agree(packed.accumulate_gradients(), separate.accumulate_gradients(), tol::kF32Loss.times(0.5)));
  expect_same_gradients(packed, separate);
}

TEST(Trainer, NonFiniteStepsAreSkippedAndCounted) {
  TrainOptions o = small_options();
  Trainer t = trainer_on({random_batch(2, 16, 61)}, o);
  t.step();
  Weight& w = t.model().weights()[2];
  auto* data = static_cast<float*>(w.data);
  const float saved = data[0];
  data[0] = NAN;
  const std::vector<CheckpointFile> before = t.snapshot();
  EXPECT_TRUE(t.step().skipped);
  EXPECT_TRUE(t.step().skipped);
  EXPECT_EQ(t.skipped_in_row(), 2);
  const std::vector<CheckpointFile> after = t.snapshot();
  EXPECT_EQ(before[0].bytes, after[0].bytes);  // model
  EXPECT_EQ(before[1].bytes, after[1].bytes);  // optimiser
  data[0] = saved;
  EXPECT_FALSE(t.step().skipped);
  EXPECT_EQ(t.skipped_in_row(), 0);
  EXPECT_EQ(t.skipped(), 2);
}

TEST(Trainer, ResumesToTheLastBit) {
  for (DType gemm : {DType::kF32, DType::kBF16}) {
    TrainOptions o = small_options();
    o.accumulation = 2;
    o.forget = 0.2;
    o.gemm = gemm;
    const auto source = [&] { return std::make_unique<TextSource>(test::random_corpus(1000, 7), o); };
    Trainer whole(golden_model(test::kGoldenModels[1]), o, source());
    std::vector<double> losses;
    std::vector<CheckpointFile> middle;
    for (int s = 0; s < 20; ++s) {
      losses.push_back(whole.step().loss);
      if (s == 8) middle = whole.snapshot();
    }
    Trainer resumed(golden_model(test::kGoldenModels[1]), o, source());
    resumed.restore(test::as_checkpoint(middle, 9));
    EXPECT_EQ(resumed.steps_done(), 9);
    for (size_t s = 9; s < 20; ++s) EXPECT_EQ(resumed.step().loss, losses[s]) << "step " << s;
    const auto a = whole.snapshot(), b = resumed.snapshot();
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].bytes, b[i].bytes) << a[i].name;
    EXPECT_LT(losses.back(), losses.front());
  }
}

TEST(Trainer, RefusesACheckpointOfOtherData) {
  const TrainOptions o = small_options();
  Trainer a(golden_model(test::kGoldenModels[0]), o, std::make_unique<TextSource>(test::random_corpus(1000, 7), o));
  Trainer b(golden_model(test::kGoldenModels[0]), o, std::make_unique<TextSource>(test::random_corpus(1000, 8), o));
  Trainer c(golden_model(test::kGoldenModels[1]), o, std::make_unique<TextSource>(test::random_corpus(1000, 7), o));
  EXPECT_THROW(b.restore(test::as_checkpoint(a.snapshot(), 0)), Error);
  EXPECT_THROW(c.restore(test::as_checkpoint(a.snapshot(), 0)), Error);
}

}  // namespace
}  // namespace hindscan
