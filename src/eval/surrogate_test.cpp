#include "eval/surrogate.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "eval/edit_draw.h"

namespace hindscan {
namespace {

struct Planted {
  std::vector<Edit> single = {};
  MaskTrial trial;
};

// Changes that are sums of what tokens are worth, or noise.
Planted planted(bool additive, int64_t masks = 96) {
  constexpr int64_t kTokens = 12, kEach = 2;
  Planted out;
  for (int64_t t = 0; t < kTokens; ++t) {
    for (int64_t k = 0; k < kEach; ++k) out.single.push_back({EditKind::kReplace, t, 0});
  }
  Rng rng(4, "planted");
  std::vector<double> worth;
  for (int64_t t = 0; t < kTokens; ++t) worth.push_back(rng.normal());
  out.trial.masks = draw_masks(out.single.size(), kEach, 0.3, masks, rng);
  for (const std::vector<size_t>& mask : out.trial.masks) {
    double sum = 5;
    for (const size_t e : mask) sum += worth[static_cast<size_t>(out.single[e].position)];
    out.trial.changes.push_back(additive ? sum : rng.normal());
  }
  return out;
}

TEST(Surrogate, ForetellsWhatAddsUpAndNothingOfNoise) {
  const Planted sums = planted(true), noise = planted(false);
  EXPECT_GT(*ridge_surrogate(sums.trial, sums.single, 12), 0.9);
  EXPECT_LT(std::abs(*ridge_surrogate(noise.trial, noise.single, 12)), 0.35);
}

TEST(Surrogate, IsFittedToTheFirstHalfAlone) {
  Planted p = planted(true);
  const double before = *ridge_surrogate(p.trial, p.single, 12);
  for (size_t m = p.trial.masks.size() / 2; m < p.trial.masks.size(); ++m) p.trial.changes[m] *= -1;
  EXPECT_TRUE(agree(*ridge_surrogate(p.trial, p.single, 12), -before, tol::kF64Absolute));
}

TEST(Surrogate, OfFewMasksThereIsNone) {
  const Planted few = planted(true, 3), none = planted(true, 0);
  EXPECT_FALSE(ridge_surrogate(few.trial, few.single, 12));
  EXPECT_FALSE(ridge_surrogate(none.trial, none.single, 12));
}

}  // namespace
}  // namespace hindscan
