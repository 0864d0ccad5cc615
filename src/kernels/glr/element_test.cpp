// Forward scan, value adjoint, rows and row products against the formula of alpha, in double and on every instruction
// set.
#include <omp.h>

#include <cstdlib>
#include <filesystem>

#include "kernels/glr/element_test_support.h"

namespace hindscan::kernels::glr {
namespace {

struct Size {
  int64_t T, D, N;
};
// Lengths around one, the panel of 64 and its edges; odd channel and state counts.
constexpr Size kSizes[] = {{1, 1, 1}, {2, 16, 4}, {17, 7, 16}, {63, 33, 17}, {64, 5, 1}, {256, 18, 16}, {30, 3, 256}};

template <class R>
std::vector<R> forward(const Problem<R>& p, std::vector<R>& S) {
  std::vector<R> y = poisoned<R>(p.dims.T * p.dims.D);  // [T, D]
  element_forward(p.dims, p.coeffs(), p.x.data(), S.data(), y.data());
  return y;
}

template <class R>
void check_alpha_times_x(const Problem<R>& p, const Tolerance& bar) {
  std::vector<R> S = p.S;
  EXPECT_TRUE(agree(forward(p, S), attended(p), bar));
  Problem<R> fresh = p;
  std::fill(fresh.S.begin(), fresh.S.end(), R(0));
  EXPECT_TRUE(agree(forward(fresh, fresh.S),
                    attended(Problem<R>{p.dims, p.dt, p.A, p.B, p.C, p.x, std::vector<R>(p.S.size()), p.dy}), bar));
}

template <class R>
void check_rows(const Problem<R>& p, const Tolerance& bar) {
  const auto [T, D, N] = p.dims;
  for (int64_t t : {int64_t{0}, T / 2, T - 1}) {
    std::vector<R> row = poisoned<R>((t + 1) * D), L = poisoned<R>(D * N);  // [t + 1, D], [D, N]
    element_row(p.dims, p.coeffs(), t, row.data(), L.data());
    std::vector<double> expected;
    for (int64_t j = 0; j <= t; ++j) {
      for (int64_t d = 0; d < D; ++d) expected.push_back(alpha(p, d, t, j));
    }
    EXPECT_TRUE(agree(row, expected, bar)) << "row " << t;
    std::vector<double> from_state(static_cast<size_t>(D), 0.0), carry;
    for (int64_t d = 0; d < D; ++d) {
      carry.push_back(carried(p, t, d));
      for (int64_t n = 0; n < N; ++n) {
        const size_t dn = static_cast<size_t>(d * N + n);
        from_state[static_cast<size_t>(d)] += static_cast<double>(L[dn]) * static_cast<double>(p.S[dn]);
      }
    }
    EXPECT_TRUE(agree(from_state, carry, bar)) << "state weight of row " << t;
  }
}

template <class R>
void check_value_adjoint(const Problem<R>& p, const Tolerance& bar) {
  const auto [T, D, N] = p.dims;
  std::vector<R> L(p.S.size(), R(0)), dx(p.x.size(), R(1));
  element_value_adjoint(p.dims, p.coeffs(), p.dy.data(), L.data(), dx.data());
  std::vector<double> expected(dx.size(), 1.0);
  for (int64_t d = 0; d < D; ++d) {
    for (int64_t i = 0; i < T; ++i) {
      const double dy = static_cast<double>(p.dy[static_cast<size_t>(i * D + d)]);
      for (int64_t j = 0; j <= i; ++j) expected[static_cast<size_t>(j * D + d)] += alpha(p, d, i, j) * dy;
    }
  }
  EXPECT_TRUE(agree(dx, expected, bar));
}

template <class R>
void check_row_times_mean(const Problem<R>& p, const Tolerance& bar) {
  const auto [T, D, N] = p.dims;
  std::vector<double> expected(static_cast<size_t>(T), 0.0);  // [T]
  std::vector<R> r(p.dy.begin(), p.dy.begin() + T), out = poisoned<R>(T), g(p.S.size(), R(0));
  for (int64_t i = 0; i < T; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      for (int64_t d = 0; d < D; ++d) {
        expected[static_cast<size_t>(j)] +=
            static_cast<double>(r[static_cast<size_t>(i)]) * alpha(p, d, i, j) / static_cast<double>(D);
      }
    }
  }
  element_row_times_mean(p.dims, p.coeffs(), r.data(), g.data(), out.data());
  EXPECT_TRUE(agree(out, expected, bar));
}

template <class R>
void check_all(const Problem<R>& p, const Tolerance& bar) {
  check_alpha_times_x(p, bar);
  check_rows(p, bar);
  check_value_adjoint(p, bar);
  check_row_times_mean(p, bar);
}

TEST(Element, ReferenceEqualsTheFormula) {
  for (const auto& [T, D, N] : kSizes) {
    SCOPED_TRACE(::testing::Message() << "T " << T << " D " << D << " N " << N);
    check_all(random_problem(T, D, N).as<double>(), tol::kF64Recurrence);
  }
}

// By Isa. Highway's lowest target is plain loops; with clang they are written over vectors of 128 bits.
#ifdef __clang__
constexpr const char* kHighwayNames[] = {"EMU128", "SSE4", "AVX2", "AVX3", "AVX3"};
#else
constexpr const char* kHighwayNames[] = {"SCALAR", "SSE4", "AVX2", "AVX3", "AVX3"};
#endif

// Meaningful with the variable set, as ObeysTheEnvironment runs it.
TEST(Element, UsesTheForcedInstructionSet) {
  const char* forced = std::getenv("HINDSCAN_FORCE_ISA");
  int level = static_cast<int>(detected_isa());
  for (int k = 0; forced && k < level; ++k) {
    if (std::string(forced) == isa_name(static_cast<Isa>(k))) level = k;
  }
  EXPECT_STREQ(element_isa(), kHighwayNames[level]);
}

TEST(Element, ObeysTheEnvironment) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  for (const char* isa : {"scalar", "sse4", "avx2", "avx512"}) {
    const std::string command = std::string("HINDSCAN_FORCE_ISA=") + isa + " '" + program +
                                "' --gtest_filter=Element.UsesTheForcedInstructionSet >/dev/null 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0) << isa;
  }
}

TEST_P(ElementIsa, RunsOnTheSelectedInstructionSet) {
  EXPECT_STREQ(element_isa(), kHighwayNames[static_cast<int>(GetParam())]);
}

TEST_P(ElementIsa, EqualsTheFormula) {
  for (const auto& [T, D, N] : kSizes) {
    SCOPED_TRACE(::testing::Message() << "T " << T << " D " << D << " N " << N);
    check_all(random_problem(T, D, N), tol::kF32Recurrence);
  }
}

TEST_P(ElementIsa, LongSequenceMatchesDouble) {
  const Problem<float> p = random_problem(1000, 16, 16);
  Problem<double> q = p.as<double>();
  std::vector<float> S = p.S;
  EXPECT_TRUE(agree(forward(p, S), forward(q, q.S), tol::kF32Recurrence));
  EXPECT_TRUE(agree(S, q.S, tol::kF32Recurrence));
}

TEST_P(ElementIsa, NoTokensLeaveTheState) {
  const Problem<float> p = random_problem(0, 5, 3);
  std::vector<float> S = p.S;
  forward(p, S);
  EXPECT_EQ(S, p.S);
  element_value_adjoint(p.dims, p.coeffs(), nullptr, S.data(), nullptr);
  EXPECT_EQ(S, p.S);
}

TEST_P(ElementIsa, AnySplitGivesTheSameBits) {
  const Problem<float> p = random_problem(130, 17, 5);
  const auto [T, D, N] = p.dims;
  std::vector<float> whole_state = p.S;
  const std::vector<float> whole = forward(p, whole_state);
  for (int64_t cut : {1, 7, 64, 65, 129}) {
    std::vector<float> S = p.S, y = poisoned<float>(T * D);
    element_forward({cut, D, N}, p.coeffs(), p.x.data(), S.data(), y.data());
    const ElementCoeffs<float> late{p.dt.data() + cut * D, p.A.data(), p.B.data() + cut * N, p.C.data() + cut * N};
    element_forward({T - cut, D, N}, late, p.x.data() + cut * D, S.data(), y.data() + cut * D);
    EXPECT_EQ(y, whole) << "cut at " << cut;
    EXPECT_EQ(S, whole_state) << "cut at " << cut;

    std::vector<float> L(S.size(), 0.0f), M = L, dx(y.size(), 0.0f), dz = dx;
    element_value_adjoint(p.dims, p.coeffs(), p.dy.data(), L.data(), dx.data());
    element_value_adjoint({T - cut, D, N}, late, p.dy.data() + cut * D, M.data(), dz.data() + cut * D);
    element_value_adjoint({cut, D, N}, p.coeffs(), p.dy.data(), M.data(), dz.data());
    EXPECT_EQ(dz, dx) << "cut at " << cut;
    EXPECT_EQ(M, L) << "cut at " << cut;
  }
}

TEST_P(ElementIsa, AnyNumberOfThreadsGivesTheSameBits) {
  const Problem<float> p = random_problem(100, 200, 16);  // above the size that runs in parallel
  const int before = omp_get_max_threads();
  const auto run = [&](int threads) {
    omp_set_num_threads(threads);
    std::vector<float> S = p.S, out = forward(p, S), product = poisoned<float>(100);
    std::vector<float> g(S.size(), 0.0f);
    element_row_times_mean(p.dims, p.coeffs(), p.dy.data(), g.data(), product.data());
    for (const auto& v : {S, product, g}) out.insert(out.end(), v.begin(), v.end());
    return out;
  };
  EXPECT_EQ(run(1), run(2));
  omp_set_num_threads(before);
}

// Decays from 1 down to underflow and beyond, against double.
TEST_P(ElementIsa, DecayIsAccurateDownToUnderflow) {
  std::vector<float> steps = {0.0f, 1e-30f, 1e-7f, 0.1f, 1.0f, 87.0f, 88.5f, 200.0f, 1e4f, 1e30f};
  for (int i = 0; i < 168; ++i) steps.push_back(1e-3f * std::pow(1.07f, static_cast<float>(i)));
  const int64_t D = static_cast<int64_t>(steps.size());
  const std::vector<float> A(steps.size(), -1.0f), x(steps.size(), 0.0f);
  const float zero = 0.0f, one = 1.0f;
  std::vector<float> S(steps.size(), 1.0f), y = poisoned<float>(D);
  element_forward({1, D, 1}, {steps.data(), A.data(), &zero, &one}, x.data(), S.data(), y.data());
  std::vector<double> expected, units;  // the product dt A is rounded: the error grows with it
  for (const float s : steps) {
    expected.push_back(std::exp(-static_cast<double>(s)));
    units.push_back(expected.back() * (1 + 0.43 * static_cast<double>(s)));
  }
  EXPECT_TRUE(agree(y, expected, units, tol::kF32Decay));
}

TEST_P(ElementIsa, NanPropagatesInItsChannelOnly) {
  for (std::vector<float> Problem<float>::*input : {&Problem<float>::dt, &Problem<float>::x}) {
    Problem<float> p = random_problem(20, 3, 4);
    (p.*input)[7 * 3 + 1] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> y = forward(p, p.S);
    for (size_t t = 0; t < 20; ++t) {
      EXPECT_EQ(std::isnan(y[t * 3 + 1]), t >= 7) << t;
      EXPECT_FALSE(std::isnan(y[t * 3]) || std::isnan(y[t * 3 + 2])) << t;
    }
  }
  Problem<float> p = random_problem(20, 3, 4);
  p.A[1 * 4 + 2] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> y = forward(p, p.S);
  EXPECT_TRUE(std::isnan(y[1]));
  EXPECT_FALSE(std::isnan(y[0]));
}

HS_INSTANTIATE_ISAS(ElementIsa);

}  // namespace
}  // namespace hindscan::kernels::glr
