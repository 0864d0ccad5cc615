// The rank-1 kernels against the double reference: forward (sequential and chunked), every gradient and the value
// adjoint, in the settings of Gated DeltaNet, DeltaNet, KDA and RWKV-7, on every instruction set.
#include "kernels/glr/head_delta.h"

#include <omp.h>

#include "kernels/glr/head_kernels.h"
#include "kernels/glr/head_reference.h"
#include "kernels/glr/head_test_support.h"

namespace hindscan::kernels::glr {
namespace {

class DeltaIsa : public ElementIsa {};

constexpr Tolerance kForward = tol::kF32Forward.times(2);

// Dims are {T, H, G, K, V, R}: around the chunk of 16 and the segments of chunks, odd K and V.
std::vector<HeadCase> delta_cases() {
  constexpr DecayShape kNone = DecayShape::kNone, kScalar = DecayShape::kScalar, kRow = DecayShape::kRow;
  constexpr Read kAfter = Read::kAfter;
  return {
      {"one_token", {1, 2, 1, 5, 3, 1}, kRow, true, kAfter, true},
      {"one_chunk", {16, 2, 2, 16, 16, 1}, kScalar, true, kAfter, true},
      {"deltanet", {63, 2, 2, 7, 5, 1}, kNone, true, kAfter, true},
      {"gated_deltanet", {131, 4, 2, 33, 17, 1}, kScalar, true, kAfter, true},
      {"gated_deltanet_wide", {50, 1, 1, 64, 72, 1}, kScalar, true, kAfter, true},
      {"kda", {97, 2, 1, 19, 35, 1}, kRow, true, kAfter, true},
      {"rwkv7", {66, 2, 2, 32, 32, 1}, kRow, true, kAfter, false},
      {"fast_decay", {45, 2, 1, 9, 6, 1}, kRow, true, kAfter, true, false, 1.0, 80.0},
      {"resets", {70, 2, 1, 9, 6, 1}, kRow, true, kAfter, true, false, 0.01, 60.0, 0.1},
      {"scalar_resets", {70, 2, 1, 9, 6, 1}, kScalar, true, kAfter, true, false, 0.01, 60.0, 0.1},
      {"before", {35, 2, 1, 6, 5, 1}, kRow, true, Read::kBefore, true, true},
      {"decayed", {20, 2, 1, 5, 3, 1}, kScalar, true, Read::kDecayed, true, true},
      {"mimo", {12, 2, 1, 5, 4, 3}, kRow, true, kAfter, true},
  };
}

using Forward = void (*)(const HeadDims&, const HeadCoeffs<float>&, const float*, float*, float*);

template <class Body>
void for_cases(const Body& body) {
  for (const HeadCase& shape : delta_cases()) {
    SCOPED_TRACE(shape.name);
    body(random_head_problem(shape));
  }
}

TEST_P(DeltaIsa, ForwardMatchesTheReference) {
  for_cases([](const HeadProblem<float>& p) {
    HeadProblem<double> e = p.as<double>();
    std::vector<double> y(p.v.size());
    reference::forward(p.shape.dims, e.coeffs(), e.v.data(), e.S.data(), y.data());
    for (const Forward forward : {&delta_forward, &delta_forward_chunked}) {
      std::vector<float> S = p.S, found = poisoned<float>(static_cast<int64_t>(p.v.size()));
      forward(p.shape.dims, p.coeffs(), p.v.data(), S.data(), found.data());
      EXPECT_TRUE(agree(found, y, kForward));
      EXPECT_TRUE(agree(S, e.S, kForward));
    }
  });
}

void check_gradients(const HeadProblem<float>& p) {
  const HeadProblem<double> e = p.as<double>();
  HeadGradients<float> f(p, p.S);
  HeadGradients<double> want(e, e.S);
  delta_backward_chunked(p.shape.dims, p.coeffs(), p.v.data(), p.S.data(), p.dy.data(), f.pointers());
  reference::backward(p.shape.dims, e.coeffs(), e.v.data(), e.S.data(), e.dy.data(), want.pointers());
  EXPECT_TRUE(agree(f.dq, want.dq, tol::kF32Backward.or_empty())) << "dq";
  EXPECT_TRUE(agree(f.dk, want.dk, tol::kF32Backward.or_empty())) << "dk";
  EXPECT_TRUE(agree(f.dv, want.dv, tol::kF32Backward.or_empty())) << "dv";
  EXPECT_TRUE(agree(f.dg, want.dg, tol::kF32Backward.or_empty())) << "dg";
  EXPECT_TRUE(agree(f.ds, want.ds, tol::kF32Backward.or_empty())) << "ds";
  EXPECT_TRUE(agree(f.db, want.db, tol::kF32Backward.or_empty())) << "db";
  EXPECT_TRUE(agree(f.dc, want.dc, tol::kF32Backward.or_empty())) << "dc";
  EXPECT_TRUE(agree(f.du, want.du, tol::kF32Backward.or_empty())) << "du";
  EXPECT_TRUE(agree(f.dS, want.dS, tol::kF32Backward.or_empty())) << "dS";
}

TEST_P(DeltaIsa, GradientsMatchTheReference) {
  for_cases([](const HeadProblem<float>& p) { check_gradients(p); });
}

// More chunks than a segment holds, with states large enough for short segments.
TEST_P(DeltaIsa, GradientsThroughKeptStates) {
  check_gradients(random_head_problem(
      {"long", {1000, 1, 1, 5, 3, 1}, DecayShape::kRow, true, Read::kAfter, true, false, 1e-3, 0.1}));
  check_gradients(
      random_head_problem({"large", {150, 1, 1, 128, 130, 1}, DecayShape::kScalar, true, Read::kAfter, true}));
}

// Gradients that are not wanted are left out, and what is there is added to.
TEST(Delta, GradientsAreAddedAndOptional) {
  const HeadProblem<float> p = random_head_problem(delta_cases()[5]);
  HeadGradients<float> all(p, p.S), some(p, p.S);
  delta_backward_chunked(p.shape.dims, p.coeffs(), p.v.data(), p.S.data(), p.dy.data(), all.pointers());
  std::fill(some.dk.begin(), some.dk.end(), 1.0f);
  HeadGrads<float> wanted;
  wanted.dk = some.dk.data(), wanted.dS = some.dS.data();
  delta_backward_chunked(p.shape.dims, p.coeffs(), p.v.data(), p.S.data(), p.dy.data(), wanted);
  for (float& v : some.dk) v -= 1.0f;
  EXPECT_TRUE(agree(some.dk, std::vector<double>(all.dk.begin(), all.dk.end()), tol::kF32Forward));
  EXPECT_EQ(some.dS, all.dS);
}

TEST_P(DeltaIsa, ValueAdjointMatchesTheReference) {
  for_cases([](const HeadProblem<float>& p) {
    const HeadProblem<double> e = p.as<double>();
    std::vector<float> dv(p.v.size(), 0.0f), dS = p.S;
    std::vector<double> want(p.v.size(), 0.0), state = e.S;
    delta_value_adjoint(p.shape.dims, p.coeffs(), p.dy.data(), dS.data(), dv.data());
    reference::value_adjoint(p.shape.dims, e.coeffs(), e.dy.data(), state.data(), want.data());
    EXPECT_TRUE(agree(dv, want, kForward));
    EXPECT_TRUE(agree(dS, state, kForward));
  });
}

// Delta rules with keys of length one and beta in (0, 2) turn the state but never enlarge it; RWKV-7's c = kappa / exp
// g undoes the decay of what it removes.
HeadProblem<float> long_problem(bool rwkv7, int64_t T) {
  HeadProblem<float> p = random_head_problem({"long",
                                              {T, 1, 1, 24, 8, 1},
                                              rwkv7 ? DecayShape::kRow : DecayShape::kScalar,
                                              true,
                                              Read::kAfter,
                                              !rwkv7,
                                              false,
                                              0.005,
                                              0.6});
  std::mt19937 rng(9);
  std::uniform_real_distribution<float> unit(0.0f, 1.0f);
  for (size_t t = 0; t < static_cast<size_t>(T); ++t) {
    const float beta = rwkv7 ? unit(rng) : 2 * unit(rng);
    float* k = p.k.data() + t * 24;
    float norm = 0;
    for (size_t i = 0; i < 24; ++i) norm += k[i] * k[i];
    for (size_t i = 0; i < 24; ++i) {
      const float unit_key = k[i] / std::sqrt(norm);
      if (!rwkv7) k[i] = unit_key;
      p.b[t * 24 + i] = -beta * unit_key;
      p.c[t * 24 + i] = rwkv7 ? unit_key / std::exp(p.g[t * 24 + i]) : unit_key;
    }
    if (!rwkv7) p.s[t] = beta;
  }
  return p;
}

TEST_P(DeltaIsa, LongSequencesStayExact) {
  for (const bool rwkv7 : {false, true}) {
    const HeadProblem<float> p = long_problem(rwkv7, 1500);
    HeadProblem<double> e = p.as<double>();
    std::vector<double> y(p.v.size());
    reference::forward(p.shape.dims, e.coeffs(), e.v.data(), e.S.data(), y.data());
    for (const Forward forward : {&delta_forward, &delta_forward_chunked}) {
      std::vector<float> S = p.S, found = poisoned<float>(static_cast<int64_t>(p.v.size()));
      forward(p.shape.dims, p.coeffs(), p.v.data(), S.data(), found.data());
      EXPECT_TRUE(agree(found, y, kForward)) << rwkv7;
    }
    check_gradients(p);
  }
}

TEST(Delta, AnyNumberOfThreadsGivesTheSameBits) {
  const HeadProblem<float> p =
      random_head_problem({"threads", {70, 4, 2, 32, 32, 1}, DecayShape::kRow, true, Read::kAfter, true});
  const int before = omp_get_max_threads();
  const auto run = [&](int threads) {
    omp_set_num_threads(threads);
    std::vector<float> all;
    for (const Forward forward : {&delta_forward, &delta_forward_chunked}) {
      std::vector<float> S = p.S, y(p.v.size());
      forward(p.shape.dims, p.coeffs(), p.v.data(), S.data(), y.data());
      for (const auto* part : {&S, &y}) all.insert(all.end(), part->begin(), part->end());
    }
    HeadGradients<float> g(p, p.S);
    delta_backward_chunked(p.shape.dims, p.coeffs(), p.v.data(), p.S.data(), p.dy.data(), g.pointers());
    for (const auto* part : {&g.dq, &g.dk, &g.dv, &g.dg, &g.ds, &g.db, &g.dc, &g.dS}) {
      all.insert(all.end(), part->begin(), part->end());
    }
    return all;
  };
  const std::vector<float> one = run(1);
  EXPECT_EQ(one, run(3));
  omp_set_num_threads(before);
}

TEST_P(DeltaIsa, NoTokensLeaveTheState) {
  const HeadProblem<float> p = random_head_problem({"empty", {0, 2, 1, 3, 3, 1}, DecayShape::kRow, true});
  std::vector<float> S = p.S;
  delta_forward(p.shape.dims, p.coeffs(), nullptr, S.data(), nullptr);
  delta_forward_chunked(p.shape.dims, p.coeffs(), nullptr, S.data(), nullptr);
  EXPECT_EQ(S, p.S);
  delta_value_adjoint(p.shape.dims, p.coeffs(), nullptr, S.data(), nullptr);
  EXPECT_EQ(S, p.S);
  HeadGrads<float> g;
  g.dS = S.data();
  delta_backward_chunked(p.shape.dims, p.coeffs(), nullptr, p.S.data(), nullptr, g);
  EXPECT_EQ(S, p.S);
}

HS_INSTANTIATE_ISAS(DeltaIsa);

}  // namespace
}  // namespace hindscan::kernels::glr
