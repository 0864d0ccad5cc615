// Tiles against brute force: every map, any rectangle, core and mixer fidelity, far from the diagonal and on it.
#include <omp.h>

#include "kernels/glr/element_test_support.h"

namespace hindscan::kernels::glr {
namespace {

template <class R>
struct Mixer {
  std::vector<R> gate, slope, conv;
  int64_t K = 0;
  ElementMixer<R> view() const {
    const auto data = [](const std::vector<R>& v) { return v.empty() ? nullptr : v.data(); };
    return {data(gate), data(slope), data(conv), K};
  }
  template <class Q>
  Mixer<Q> as() const {
    return {{gate.begin(), gate.end()}, {slope.begin(), slope.end()}, {conv.begin(), conv.end()}, K};
  }
};

Mixer<float> random_mixer(const ElementDims& s, int64_t K) {
  std::mt19937 rng(7);
  std::normal_distribution<float> normal;
  Mixer<float> m{{}, {}, {}, K};
  for (int64_t i = 0; i < s.T * s.D; ++i) {
    m.gate.push_back(normal(rng));
    m.slope.push_back(normal(rng));
  }
  for (int64_t i = 0; i < s.D * K; ++i) m.conv.push_back(normal(rng));
  return m;
}

// Entry (i, m) of channel d with the mixer folded in, from the formula.
template <class R>
double entry(const Problem<R>& p, const Mixer<R>& mixer, int64_t d, int64_t i, int64_t m) {
  const auto at = [&](const std::vector<R>& v, int64_t k) {
    return v.empty() ? 1.0 : static_cast<double>(v[static_cast<size_t>(k)]);
  };
  const int64_t D = p.dims.D, K = mixer.conv.empty() ? 1 : mixer.K;
  double sum = 0;
  for (int64_t j = m; j < m + K && j <= i; ++j) {
    sum += alpha(p, d, i, j) * at(mixer.slope, j * D + d) * at(mixer.conv, d * K + K - 1 - (j - m));
  }
  return sum * at(mixer.gate, i * D + d);
}

// Every channel's rectangle from the formula, [D, rows, cols].
template <class R>
std::vector<std::vector<double>> brute_force(const Problem<R>& p, const Mixer<R>& mixer, Range rows, Range cols) {
  std::vector<std::vector<double>> channels;
  for (int64_t d = 0; d < p.dims.D; ++d) {
    std::vector<double>& values = channels.emplace_back();
    for (int64_t i = rows.begin; i < rows.end; ++i) {
      for (int64_t j = cols.begin; j < cols.end; ++j) values.push_back(entry(p, mixer, d, i, j));
    }
  }
  return channels;
}

std::vector<double> apply(ElementMap map, int64_t channel, const std::vector<std::vector<double>>& channels) {
  if (map == ElementMap::kChannel) return channels[static_cast<size_t>(channel)];
  std::vector<double> mean(channels[0].size(), 0.0);  // [rows, cols]
  for (const std::vector<double>& values : channels) {
    for (size_t k = 0; k < mean.size(); ++k) {
      const double v = values[k];
      const double mapped = map == ElementMap::kMean ? v : map == ElementMap::kMeanAbs ? std::abs(v) : std::max(v, 0.0);
      mean[k] += mapped / static_cast<double>(channels.size());
    }
  }
  return mean;
}

template <class R>
std::vector<R> tile(const Problem<R>& p, const Mixer<R>& mixer, ElementMap map, int64_t channel, Range rows,
                    Range cols) {
  std::vector<R> out = poisoned<R>((rows.end - rows.begin) * (cols.end - cols.begin));
  element_tile(p.dims, p.coeffs(), map, channel, rows, cols, mixer.view(), out.data());
  return out;
}

constexpr ElementMap kMaps[] = {ElementMap::kChannel, ElementMap::kMean, ElementMap::kMeanAbs,
                                ElementMap::kMeanPositive};

template <class R>
void check_tile(const Problem<R>& p, const Mixer<R>& mixer, Range rows, Range cols, const Tolerance& bar) {
  const std::vector<std::vector<double>> channels = brute_force(p, mixer, rows, cols);
  for (ElementMap map : kMaps) {
    const std::vector<R> found = tile(p, mixer, map, p.dims.D - 1, rows, cols);
    EXPECT_TRUE(agree(found, apply(map, p.dims.D - 1, channels), bar))
        << "map " << static_cast<int>(map) << " rows " << rows.begin << ":" << rows.end << " cols " << cols.begin << ":"
        << cols.end;
  }
}

TEST(ElementTile, ReferenceEqualsTheFormula) {
  for (int64_t T : {1, 2, 17, 63}) {
    const Problem<double> p = random_problem(T, 3, 4).as<double>();
    check_tile(p, Mixer<double>{}, {0, T}, {0, T}, tol::kF64Recurrence);
    check_tile(p, random_mixer(p.dims, 4).as<double>(), {T / 3, T}, {0, T - T / 4}, tol::kF64Recurrence);
  }
}

class ElementTileIsa : public ElementIsa {};

TEST_P(ElementTileIsa, WholeMatrixEqualsTheFormula) {
  for (const auto& [T, D, N] :
       {std::array<int64_t, 3>{1, 1, 1}, {2, 16, 4}, {17, 7, 16}, {63, 18, 17}, {256, 3, 16}, {70, 2, 256}}) {
    SCOPED_TRACE(::testing::Message() << "T " << T << " D " << D << " N " << N);
    const Problem<float> p = random_problem(T, D, N);
    check_tile(p, Mixer<float>{}, {0, T}, {0, T}, tol::kF32Recurrence);
    check_tile(p, random_mixer(p.dims, 4), {0, T}, {0, T}, tol::kF32Recurrence);
  }
}

TEST_P(ElementTileIsa, AnyRectangleEqualsTheFormula) {
  const Problem<float> p = random_problem(300, 3, 5);
  const Mixer<float> mixers[] = {{}, random_mixer(p.dims, 4), random_mixer(p.dims, 1), random_mixer(p.dims, 20)};
  const std::array<Range, 2> rectangles[] = {
      {{{200, 300}, {0, 90}}},    // far below the diagonal
      {{{100, 170}, {30, 101}}},  // touches the diagonal at one corner
      {{{64, 128}, {0, 64}}},     // reference token between the two
      {{{50, 180}, {70, 133}}},   // across the diagonal, not aligned
      {{{299, 300}, {0, 300}}},   // a row
      {{{0, 300}, {17, 18}}},     // a column
      {{{10, 60}, {100, 150}}},   // above the diagonal
  };
  for (const auto& mixer : mixers) {
    for (const auto& [rows, cols] : rectangles) check_tile(p, mixer, rows, cols, tol::kF32Recurrence);
  }
}

// Parts of the mixer can be left out one by one.
TEST_P(ElementTileIsa, PartsOfTheMixerAreOptional) {
  const Problem<float> p = random_problem(40, 2, 4);
  const Mixer<float> full = random_mixer(p.dims, 4);
  Mixer<float> gate, slope, conv;
  gate.gate = full.gate;
  slope.slope = full.slope;
  conv.conv = full.conv, conv.K = 4;
  for (const auto& mixer : {gate, slope, conv}) check_tile(p, mixer, {0, 40}, {0, 40}, tol::kF32Recurrence);
}

// Steps whose running sum overflows every single-reference factorisation: exp(+1600 * 80) would be infinite.
TEST_P(ElementTileIsa, LongSumsOfStepsStayFinite) {
  Problem<float> p = random_problem(160, 2, 16);
  for (float& dt : p.dt) dt = 100.0f * dt + 0.5f;
  check_tile(p, Mixer<float>{}, {0, 160}, {0, 160}, tol::kF32Recurrence);
}

// Slow states far from the diagonal: the sum of the steps must not lose the difference of two tokens.
TEST_P(ElementTileIsa, FarTilesKeepTheirAccuracy) {
  Problem<float> p = random_problem(3000, 1, 2);
  for (float& a : p.A) a *= 2e-3f;
  for (float& dt : p.dt) dt *= 3.0f;
  check_tile(p, Mixer<float>{}, {2900, 3000}, {10, 100}, tol::kF32Recurrence);
}

TEST_P(ElementTileIsa, AnyCutAndNumberOfThreadsGivesTheSameTile) {
  const Problem<float> p = random_problem(150, 20, 4);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const std::vector<float> one = tile(p, Mixer<float>{}, ElementMap::kMeanAbs, 0, {0, 150}, {0, 150});
  omp_set_num_threads(2);
  EXPECT_EQ(one, tile(p, Mixer<float>{}, ElementMap::kMeanAbs, 0, {0, 150}, {0, 150}));
  omp_set_num_threads(before);
  const std::vector<float> part = tile(p, Mixer<float>{}, ElementMap::kMeanAbs, 0, {90, 131}, {3, 100});
  std::vector<float> same;
  for (size_t i = 90; i < 131; ++i) {
    for (size_t j = 3; j < 100; ++j) same.push_back(one[i * 150 + j]);
  }
  EXPECT_TRUE(agree(part, same, tol::kF32Recurrence));
}

TEST_P(ElementTileIsa, NanStaysInItsRowsAndBelowTheDiagonal) {
  Problem<float> p = random_problem(80, 2, 4);
  p.C[70 * 4 + 1] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> out = tile(p, Mixer<float>{}, ElementMap::kMeanPositive, 0, {0, 80}, {0, 80});
  for (size_t i = 0; i < 80; ++i) {
    for (size_t j = 0; j < 80; ++j) {
      EXPECT_EQ(std::isnan(out[i * 80 + j]), i == 70 && j <= i) << i << " " << j;
    }
  }
}

HS_INSTANTIATE_ISAS(ElementTileIsa);

}  // namespace
}  // namespace hindscan::kernels::glr
