// The operator of several tokens' transitions against the recurrence over tokens that write nothing.
#include "kernels/glr/head_transition.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "base/testing/compare.h"

namespace hindscan::kernels::glr {
namespace {

constexpr int64_t kT = 6, kH = 2, kK = 5, kV = 7;

struct Tokens {
  Tokens(DecayShape decay, bool rank1) {
    Rng rng(3, "transition");
    const auto draw = [&](int64_t n, double size) {
      std::vector<double> out(static_cast<size_t>(n));
      for (double& x : out) x = size * rng.normal();
      return out;
    };
    k = draw(kT * kH * kK, 1);
    b = draw(kT * kH * kK, 0.5);
    c = draw(kT * kH * kK, 0.5);
    g = draw(kT * kH * kK, 0.3);
    for (double& x : g) x = x > 0 ? -x : x;
    S = draw(kH * kK * kV, 1);
    coeffs.q = coeffs.k = k.data();
    coeffs.decay = decay;
    if (decay != DecayShape::kNone) coeffs.g = g.data();
    if (rank1) coeffs.b = b.data(), coeffs.c = c.data();
  }
  HeadCoeffs<double> at(int64_t t) const {
    HeadCoeffs<double> one = coeffs;
    if (one.g != nullptr) one.g += t * kH * (one.decay == DecayShape::kRow ? kK : 1);
    if (one.b != nullptr) one.b += t * kH * kK, one.c += t * kH * kK;
    return one;
  }
  std::vector<double> k, b, c, g, S;
  HeadCoeffs<double> coeffs;
  HeadDims dims{kT, kH, kH, kK, kV};
};

constexpr std::pair<DecayShape, bool> kShapes[] = {{DecayShape::kNone, false},  {DecayShape::kScalar, false},
                                                   {DecayShape::kRow, false},   {DecayShape::kNone, true},
                                                   {DecayShape::kScalar, true}, {DecayShape::kRow, true}};

TEST(HeadTransition, IsTheRecurrenceThatWritesNothing) {
  for (const auto& [decay, rank1] : kShapes) {
    const Tokens tokens(decay, rank1);
    std::vector<double> M, moved = tokens.S, run = tokens.S, v(kT * kH * kV, 0.0), y(v.size());
    for (int64_t t = kT; t-- > 0;) lead_transition(tokens.dims, tokens.at(t), M);
    apply_transition(tokens.dims, tokens.coeffs, M, moved.data());
    head_forward(tokens.dims, tokens.coeffs, v.data(), run.data(), y.data());
    EXPECT_TRUE(agree(moved, run, tol::kF64Recurrence)) << static_cast<int>(decay) << rank1;
  }
}

TEST(HeadTransition, NothingIsLeftOfWhatIsForgotten) {
  for (const auto& [decay, rank1] : kShapes) {
    const Tokens tokens(decay, rank1);
    std::vector<double> M, moved = tokens.S;
    lead_transition(tokens.dims, tokens.at(1), M);
    forget_before(tokens.coeffs, M);
    lead_transition(tokens.dims, tokens.at(0), M);
    apply_transition(tokens.dims, tokens.coeffs, M, moved.data());
    EXPECT_EQ(largest(moved), 0) << static_cast<int>(decay) << rank1;
  }
}

}  // namespace
}  // namespace hindscan::kernels::glr
