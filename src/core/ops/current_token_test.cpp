// The current token beside a recurrence: each of its three factors belongs to one path of the mixer.
#include "core/ops/arrange.h"
#include "core/ops/ops_test_support.h"
#include "core/ops/skip.h"

namespace hindscan {
namespace {

const OpCase kCase = {
    "current token", 24,
    [](WeightTable& t) {
      t.add("u", {2, 3}, Init::normal(1));
    },
    [](Ctx& c, const WeightTable& w, Var x) {
      return ops::skip(c,
                       CurrentToken{2, ops::split(c, x, 0, 6), ops::split(c, x, 6, 6), ops::split(c, x, 12, 6), &w[0]},
                       ops::split(c, x, 18, 6));
    }};

std::vector<double> adjoint(const WeightTable& w, std::span<const float> x, MixerPath path) {
  OpRun run{kCase, w, op_input(kCase, x)};
  run.rules = exact_rules();
  run.rules.path = path;
  return run.run<double>().dx;
}

bool touches(const std::vector<double>& dx, size_t first) {  // six columns of [T, 24] from the first
  for (size_t i = 0; i < dx.size(); ++i) {
    if (i % 24 >= first && i % 24 < first + 6 && dx[i] != 0) return true;
  }
  return false;
}

TEST(CurrentToken, EveryFactorHasItsPath) {
  const WeightTable w = op_weights(kCase, DType::kF64);
  const std::vector<float> x = grid_features(5, 24, 3);
  const std::vector<double> all = adjoint(w, x, MixerPath::kAll);
  std::vector<double> sum(all.size(), 0.0);
  const std::pair<MixerPath, size_t> owners[] = {
      {MixerPath::kRead, 0}, {MixerPath::kWrite, 6}, {MixerPath::kValue, 12}};
  for (const auto& [path, own] : owners) {
    const std::vector<double> dx = adjoint(w, x, path);
    for (size_t first : {size_t{0}, size_t{6}, size_t{12}}) {
      EXPECT_EQ(touches(dx, first), first == own) << mixer_path_name(path) << " " << first;
    }
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += i % 24 < 18 ? dx[i] : 0;
  }
  std::vector<double> want = all;
  for (size_t i = 0; i < want.size(); ++i) want[i] = i % 24 < 18 ? want[i] : 0;
  EXPECT_TRUE(agree(sum, want, tol::kF64Ulp));
  EXPECT_FALSE(touches(adjoint(w, x, MixerPath::kDecay), 0));
  EXPECT_TRUE(touches(adjoint(w, x, MixerPath::kGate), 18));  // the recurrence's own output passes under every path
}

}  // namespace
}  // namespace hindscan
