// Exact rows: the row of implicit attention that one adjoint sweep gives (head_row_times with a one-hot weight) against
// the brute-force pulse response, a value of one at a single token pushed through the recurrence token by token, in the
// settings of Gated DeltaNet, KDA, RWKV-7 and Mamba-3 (one and several writes).
#include "kernels/glr/head_test_support.h"

namespace hindscan::kernels::glr {
namespace {

class HeadRows : public ElementIsa {};

enum class Family { kGatedDeltaNet, kKda, kRwkv7, kMamba3, kMamba3Mimo };
constexpr Family kFamilies[] = {Family::kGatedDeltaNet, Family::kKda, Family::kRwkv7, Family::kMamba3,
                                Family::kMamba3Mimo};

// What the layers of the papers put in: unit keys and beta in (0, 1) (delta rules), w = exp(-0.606 sigmoid) with
// removal key kappa a and c = kappa / w (RWKV-7), scalar decay with the current token's own weight (Mamba-3).
HeadProblem<float> family_problem(Family family, int64_t T) {
  const bool mamba = family == Family::kMamba3 || family == Family::kMamba3Mimo, rwkv = family == Family::kRwkv7;
  const bool rows = family == Family::kKda || rwkv;
  const HeadDims dims{T, 2, mamba ? 1 : 2, 16, 5, family == Family::kMamba3Mimo ? 3 : 1};
  HeadProblem<float> p =
      random_head_problem({"family", dims, rows ? DecayShape::kRow : DecayShape::kScalar, !mamba,
                           mamba ? Read::kDecayed : Read::kAfter, !rwkv, mamba, 0.02, rwkv ? 0.606 : 1.5});
  std::mt19937 rng(5);
  std::uniform_real_distribution<float> unit(0.0f, 1.0f);
  const size_t K = static_cast<size_t>(dims.K);
  for (size_t row = 0; !mamba && row < static_cast<size_t>(T * dims.H); ++row) {
    float *k = p.k.data() + row * K, norm = 0;  // H = G: one key a head
    for (size_t i = 0; i < K; ++i) norm += k[i] * k[i];
    const float beta = 0.1f + 0.9f * unit(rng);
    for (size_t i = 0; i < K; ++i) {
      const float kappa = k[i] / std::sqrt(norm), a = rwkv ? unit(rng) : beta;
      p.b[row * K + i] = -a * kappa;
      p.c[row * K + i] = rwkv ? kappa / std::exp(p.g[row * K + i]) : kappa;
      k[i] = rwkv ? k[i] : kappa;
    }
    if (!rwkv) p.s[row] = beta;
  }
  return p;
}

// y of every later read for v = 1 at write r' of token j: [T, R], the column (j, r') of one head, in long double.
std::vector<double> pulse_response(const HeadProblem<double>& p, int64_t h, int64_t j, int64_t write) {
  const HeadDims& d = p.shape.dims;
  const auto number = [](const std::vector<double>& x, int64_t at) {
    return static_cast<long double>(x[static_cast<size_t>(at)]);
  };
  const int64_t group = h / (d.H / d.G);
  std::vector<long double> S(static_cast<size_t>(d.K), 0.0L);  // [K, 1]
  std::vector<double> y(static_cast<size_t>(d.T * d.R), 0.0);
  for (int64_t t = 0; t < d.T; ++t) {
    const int64_t head = t * d.H + h;
    long double dot = 0;
    for (int64_t i = 0; i < d.K; ++i) {
      long double& s = S[static_cast<size_t>(i)];
      s *= std::exp(number(p.g, p.shape.decay == DecayShape::kRow ? head * d.K + i : head));
      if (p.shape.rank1) dot += number(p.c, head * d.K + i) * s;
    }
    for (int64_t i = 0; p.shape.rank1 && i < d.K; ++i) S[static_cast<size_t>(i)] += number(p.b, head * d.K + i) * dot;
    const auto read = [&](int64_t r) {
      long double sum = 0;
      for (int64_t i = 0; i < d.K; ++i)
        sum += number(p.q, ((t * d.R + r) * d.G + group) * d.K + i) * S[static_cast<size_t>(i)];
      return sum;
    };
    const bool decayed = p.shape.read == Read::kDecayed;
    for (int64_t r = 0; decayed && r < d.R; ++r) {
      long double own = 0;
      for (int64_t i = 0; t == j && i < d.K; ++i) {
        own += number(p.q, ((t * d.R + r) * d.G + group) * d.K + i) *
               number(p.k, ((t * d.R + write) * d.G + group) * d.K + i);
      }
      y[static_cast<size_t>(t * d.R + r)] = static_cast<double>(read(r) + number(p.u, head) * own);
    }
    for (int64_t i = 0; t == j && i < d.K; ++i) {
      const long double s = p.shape.s ? number(p.s, head) : 1.0L;
      S[static_cast<size_t>(i)] += s * number(p.k, ((t * d.R + write) * d.G + group) * d.K + i);
    }
    for (int64_t r = 0; !decayed && r < d.R; ++r) y[static_cast<size_t>(t * d.R + r)] = static_cast<double>(read(r));
  }
  return y;
}

template <class X>
void check_rows(Family family, int64_t T, const Tolerance& bar) {
  const HeadProblem<X> p = family_problem(family, T).as<X>();
  const HeadProblem<double> exact = p.template as<double>();
  const HeadDims& d = p.shape.dims;
  const int64_t n = T * d.R;
  std::vector<double> alpha(static_cast<size_t>(d.H * n * n));  // [H, T R, T R]
  for (int64_t h = 0; h < d.H; ++h) {
    for (int64_t col = 0; col < n; ++col) {
      const std::vector<double> y = pulse_response(exact, h, col / d.R, col % d.R);
      for (int64_t row = 0; row < n; ++row)
        alpha[static_cast<size_t>((h * n + row) * n + col)] = y[static_cast<size_t>(row)];
    }
  }
  EXPECT_GT(largest(alpha), 0.1);
  std::vector<X> found;
  for (int64_t row = 0; row < n; ++row) {
    std::vector<X> w(static_cast<size_t>(n * d.H), X(0)), carry(static_cast<size_t>(d.H * d.K), X(0)),
        out = poisoned<X>(n * d.H);
    for (int64_t h = 0; h < d.H; ++h) w[static_cast<size_t>(row * d.H + h)] = X(1);
    head_row_times(d, p.coeffs(), w.data(), carry.data(), out.data());
    found.insert(found.end(), out.begin(), out.end());  // [T R, T R, H]
  }
  std::vector<double> want;
  for (int64_t i = 0; i < n * n * d.H; ++i) want.push_back(alpha[static_cast<size_t>(i % d.H * n * n + i / d.H)]);
  EXPECT_TRUE(agree(found, want, bar)) << "family " << static_cast<int>(family);
}

TEST(HeadRowsDouble, EqualThePulseResponse) {
  for (const Family family : kFamilies) check_rows<double>(family, 48, tol::kF64Recurrence);
}

TEST_P(HeadRows, EqualThePulseResponse) {
  for (const Family family : kFamilies) check_rows<float>(family, 48, tol::kF32Recurrence);
}

HS_INSTANTIATE_ISAS(HeadRows);

}  // namespace
}  // namespace hindscan::kernels::glr
