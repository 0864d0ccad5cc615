// Every float kernel at every instruction set, against double: all cases, all algorithms.
#include <omp.h>

#include "kernels/glr/head_cases.h"

namespace hindscan::kernels::glr {
namespace {

class HeadIsa : public ElementIsa {};
HS_INSTANTIATE_ISAS(HeadIsa);

constexpr Algorithm kAlgorithms[] = {Algorithm::kAuto, Algorithm::kSequential, Algorithm::kChunked};

TEST_P(HeadIsa, Forward) {
  for (const HeadCase& shape : head_cases()) {
    const HeadProblem<float> p = random_head_problem(shape, 2);
    const HeadOutput<double> want = run_forward(p.as<double>());
    for (const Algorithm algorithm : kAlgorithms) {
      const HeadOutput<float> got = run_forward(p, algorithm);
      EXPECT_TRUE(agree(got.y, want.y, tol::kF32Forward.times(2).or_empty()))
          << shape.name << static_cast<int>(algorithm) << head_isa();
      EXPECT_TRUE(agree(got.S, want.S, tol::kF32Forward.times(2).or_empty()))
          << shape.name << static_cast<int>(algorithm) << head_isa();
    }
  }
}

TEST_P(HeadIsa, Backward) {
  for (const HeadCase& shape : head_cases()) {
    const HeadProblem<float> p = random_head_problem(shape, 3);
    const HeadProblem<double> exact = p.as<double>();
    HeadGradients<double> want = run_backward(exact, exact.S);
    for (const Algorithm algorithm : kAlgorithms) {
      HeadGradients<float> got = run_backward(p, p.S, algorithm);
      const auto check = [&](const char* name, const std::vector<float>& a, const std::vector<double>& b) {
        EXPECT_TRUE(agree(a, b, tol::kF32Backward.or_empty()))
            << shape.name << " " << name << static_cast<int>(algorithm) << head_isa();
      };
      check("dq", got.dq, want.dq), check("dk", got.dk, want.dk), check("dv", got.dv, want.dv);
      check("dg", got.dg, want.dg), check("ds", got.ds, want.ds), check("db", got.db, want.db);
      check("dc", got.dc, want.dc), check("du", got.du, want.du), check("dS", got.dS, want.dS);
    }
  }
}

TEST_P(HeadIsa, Maps) {
  for (const HeadCase& shape : head_cases()) {
    const HeadProblem<float> p = random_head_problem(shape, 4);
    const HeadProblem<double> exact = p.as<double>();
    const HeadDims& d = shape.dims;
    const int64_t n = d.T * d.R * d.H, half = d.T / 2;
    std::vector<float> carry(p.S.begin(), p.S.begin() + d.H * d.K), out = poisoned<float>(n);
    std::vector<double> carry64(carry.begin(), carry.end()), out64 = poisoned<double>(n);
    head_row_times(d, p.coeffs(), p.dy.data(), carry.data(), out.data());
    head_row_times(d, exact.coeffs(), exact.dy.data(), carry64.data(), out64.data());
    EXPECT_TRUE(agree(out, out64, tol::kF32Forward.times(4).or_empty())) << shape.name << head_isa();
    EXPECT_TRUE(agree(carry, carry64, tol::kF32Forward.times(4).or_empty())) << shape.name << head_isa();
    std::vector<float> tile = poisoned<float>(d.T * half);
    std::vector<double> tile64 = poisoned<double>(d.T * half);
    head_tile(d, p.coeffs(), HeadMap::kMeanAbs, 0, {0, d.T}, {0, half}, {}, tile.data());
    head_tile(d, exact.coeffs(), HeadMap::kMeanAbs, 0, {0, d.T}, {0, half}, {}, tile64.data());
    EXPECT_TRUE(agree(tile, tile64, tol::kF32Forward.times(4).or_empty())) << shape.name << head_isa();
    std::vector<float> dv(p.v.size()), dS = p.S;
    std::vector<double> dv64(p.v.size()), dS64 = exact.S;
    head_value_adjoint(d, p.coeffs(), p.dy.data(), dS.data(), dv.data());
    head_value_adjoint(d, exact.coeffs(), exact.dy.data(), dS64.data(), dv64.data());
    EXPECT_TRUE(agree(dv, dv64, tol::kF32Forward.times(2).or_empty())) << shape.name << head_isa();
    EXPECT_TRUE(agree(dS, dS64, tol::kF32Forward.times(2).or_empty())) << shape.name << head_isa();
  }
}

// Outliers in queries, values, states and what comes back.
TEST_P(HeadIsa, HeavyTails) {
  for (const HeadCase& shape : head_cases()) {
    for (const Law law : {Law::kLognormal, Law::kCauchy}) {
      HeadProblem<float> p = random_head_problem(shape, 5);
      for (std::vector<float>* x : {&p.q, &p.v, &p.S, &p.dy}) *x = tailed(*x, law);
      const HeadProblem<double> exact = p.as<double>();
      const auto in_double = [&](const Arrays& in) {
        HeadProblem<double> near = exact;
        near.q = in[0], near.k = in[1], near.g = in[2], near.v = in[3], near.S = in[4], near.dy = in[5];
        const HeadOutput<double> out = run_forward(near);
        const HeadGradients<double> g = run_backward(near, near.S);
        return Arrays{out.y, out.S, g.dq, g.dk, g.dv, g.dS};
      };
      const Arrays inputs = {exact.q, exact.k, exact.g, exact.v, exact.S, exact.dy}, want = in_double(inputs),
                   worth = sensitivity(inputs, in_double);
      for (const Algorithm algorithm : kAlgorithms) {
        const HeadOutput<float> out = run_forward(p, algorithm);
        const HeadGradients<float> g = run_backward(p, p.S, algorithm);
        const std::vector<float>* got[] = {&out.y, &out.S, &g.dq, &g.dk, &g.dv, &g.dS};
        for (size_t k = 0; k < want.size(); ++k)
          EXPECT_TRUE(agree(*got[k], want[k], worth[k], tol::kF32HeavyOp.or_empty()))
              << shape.name << " output " << k << " " << law_name(law) << static_cast<int>(algorithm) << head_isa();
      }
    }
  }
}

// Slow decays over many tokens: the rounding of exp(g) near 1 must not add up.
TEST_P(HeadIsa, SlowDecaysStayExact) {
  for (const DecayShape decay : {DecayShape::kScalar, DecayShape::kRow}) {
    HeadCase shape{"slow", {1500, 1, 1, 4, 3, 1}, decay};
    shape.slowest = shape.fastest = 1.0 / 4096;
    const HeadProblem<float> p = random_head_problem(shape, 5);
    const HeadOutput<double> want = run_forward(p.as<double>());
    for (const Algorithm algorithm : kAlgorithms) {
      const HeadOutput<float> got = run_forward(p, algorithm);
      EXPECT_TRUE(agree(got.y, want.y, tol::kF32Forward.times(2).or_empty()))
          << static_cast<int>(algorithm) << head_isa();
      EXPECT_TRUE(agree(got.S, want.S, tol::kF32Forward.times(2).or_empty()))
          << static_cast<int>(algorithm) << head_isa();
    }
  }
}

// Decays that sum to -33 in a chunk: the rounding of one such sum is several times that of the result.
TEST_P(HeadIsa, FastDecaysStayExact) {
  HeadCase shape{"fast", {64, 1, 1, 16, 3, 1}, DecayShape::kRow};
  shape.slowest = 1.0, shape.fastest = 1.05;
  const HeadProblem<float> p = random_head_problem(shape, 5);
  const HeadOutput<double> want = run_forward(p.as<double>());
  for (const Algorithm algorithm : kAlgorithms) {
    const HeadOutput<float> got = run_forward(p, algorithm);
    EXPECT_TRUE(agree(got.y, want.y, tol::kF32Forward.times(0.2))) << static_cast<int>(algorithm) << head_isa();
    EXPECT_TRUE(agree(got.S, want.S, tol::kF32Forward.times(0.2))) << static_cast<int>(algorithm) << head_isa();
  }
}

// All that is left of the state after one strong decay, nothing written: its relative error, not that against 1.
TEST_P(HeadIsa, StrongDecaysKeepTheirRelativePrecision) {
  for (const DecayShape decay : {DecayShape::kScalar, DecayShape::kRow}) {
    HeadProblem<float> p = random_head_problem({"strong", {1, 1, 1, 3, 2, 1}, decay}, 5);
    std::fill(p.v.begin(), p.v.end(), 0.0f);
    std::fill(p.g.begin(), p.g.end(), -20.0f);
    const HeadOutput<double> want = run_forward(p.as<double>());
    for (const Algorithm algorithm : kAlgorithms) {
      const HeadOutput<float> got = run_forward(p, algorithm);
      EXPECT_TRUE(agree(got.y, want.y, tol::kF32Forward)) << static_cast<int>(algorithm) << head_isa();
      EXPECT_TRUE(agree(got.S, want.S, tol::kF32Forward)) << static_cast<int>(algorithm) << head_isa();
    }
  }
}

// To the last bit: what every thread count computes.
TEST(HeadThreads, DoNotChangeResults) {
  const HeadCase shapes[] = {
      {"scalar", {80, 6, 1, 33, 70, 1}, DecayShape::kScalar, false, Read::kAfter, true},
      {"row", {80, 3, 3, 33, 70, 1}, DecayShape::kRow, false, Read::kBefore, false, true},
      {"one_head", {80, 1, 1, 65, 70, 1}, DecayShape::kScalar},
      {"rank1", {80, 4, 2, 33, 70, 1}, DecayShape::kRow, true, Read::kAfter, true},
  };
  const int threads = omp_get_max_threads();
  for (const HeadCase& shape : shapes) {
    const HeadProblem<float> p = random_head_problem(shape, 6);
    for (const Algorithm algorithm : {Algorithm::kSequential, Algorithm::kChunked}) {
      omp_set_num_threads(1);
      const HeadOutput<float> one = run_forward(p, algorithm);
      const HeadGradients<float> one_back = run_backward(p, p.S, algorithm);
      omp_set_num_threads(3);
      const HeadOutput<float> three = run_forward(p, algorithm);
      const HeadGradients<float> three_back = run_backward(p, p.S, algorithm);
      EXPECT_EQ(one.y, three.y) << shape.name;
      EXPECT_EQ(one.S, three.S) << shape.name;
      EXPECT_EQ(one_back.dq, three_back.dq) << shape.name;
      EXPECT_EQ(one_back.dk, three_back.dk) << shape.name;
      EXPECT_EQ(one_back.dv, three_back.dv) << shape.name;
      EXPECT_EQ(one_back.dg, three_back.dg) << shape.name;
      EXPECT_EQ(one_back.ds, three_back.ds) << shape.name;
      EXPECT_EQ(one_back.dS, three_back.dS) << shape.name;
    }
  }
  omp_set_num_threads(threads);
}

}  // namespace
}  // namespace hindscan::kernels::glr
