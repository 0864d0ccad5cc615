// The recurrence with several steps a token in float at every instruction set, against double.
#include "kernels/glr/rank_test_support.h"

namespace hindscan::kernels::glr {
namespace {

class RankIsa : public ElementIsa {};
HS_INSTANTIATE_ISAS(RankIsa);

TEST_P(RankIsa, ForwardBackwardAndMapsMatchTheReference) {
  for (const RankCase& shape : rank_cases()) {
    RankProblem<float> p = random_rank_problem(shape, 2);
    RankProblem<double> exact = p.as<double>();
    const RankOutput<float> out = rank_run(p);
    const RankOutput<double> want = rank_run(exact);
    const Tolerance forward = tol::kF32Forward.times(2).or_empty(), maps = tol::kF32Forward.times(4).or_empty();
    EXPECT_TRUE(agree(out.y, want.y, forward)) << shape.name << head_isa();
    EXPECT_TRUE(agree(out.S, want.S, forward)) << shape.name << head_isa();
    RankGradients<float> got;
    RankGradients<double> reference;
    rank_backward_of(p, got), rank_backward_of(exact, reference);
    for (size_t list = 0; list < 8; ++list)
      EXPECT_TRUE(agree(*got.lists[list], *reference.lists[list], tol::kF32Backward.or_empty()))
          << shape.name << " " << kRankInputs[list] << head_isa();
    EXPECT_TRUE(agree(got.dS, reference.dS, tol::kF32Backward.or_empty())) << shape.name << head_isa();
    const RankDims& n = shape.dims;
    std::vector<float> carry(p.S.begin(), p.S.begin() + n.key()), alpha = poisoned<float>(n.T * n.r * n.H);
    std::vector<double> carry64(carry.begin(), carry.end()), alpha64(alpha.size());
    rank_row_times(n, p.coeffs(), p.dy.data(), carry.data(), alpha.data());
    rank_row_times(n, exact.coeffs(), exact.dy.data(), carry64.data(), alpha64.data());
    EXPECT_TRUE(agree(alpha, alpha64, maps)) << shape.name << head_isa();
    EXPECT_TRUE(agree(carry, carry64, maps)) << shape.name << head_isa();
    std::vector<float> tile = poisoned<float>(n.T * n.T);
    std::vector<double> tile64(tile.size());
    rank_tile(n, p.coeffs(), HeadMap::kMeanPositive, 0, -1, {0, n.T}, {0, n.T}, tile.data());
    rank_tile(n, exact.coeffs(), HeadMap::kMeanPositive, 0, -1, {0, n.T}, {0, n.T}, tile64.data());
    EXPECT_TRUE(agree(tile, tile64, maps)) << shape.name << head_isa();
  }
}

TEST_P(RankIsa, HeavyTails) {
  for (const RankCase& shape : rank_cases()) {
    for (const Law law : {Law::kLognormal, Law::kCauchy}) {
      RankProblem<float> p = random_rank_problem(shape, 5);
      for (std::vector<float>* x : {&p.q, &p.v, &p.S, &p.dy}) *x = tailed(*x, law);
      RankProblem<double> exact = p.as<double>();
      const auto in_double = [&](const Arrays& in) {
        RankProblem<double> near = exact;
        near.q = in[0], near.k = in[1], near.g = in[2], near.v = in[3], near.S = in[4], near.dy = in[5];
        const RankOutput<double> out = rank_run(near);
        RankGradients<double> g;
        rank_backward_of(near, g);
        return Arrays{out.y, out.S, g.dq, g.dk, g.dv, g.dS};
      };
      const Arrays inputs = {exact.q, exact.k, exact.g, exact.v, exact.S, exact.dy}, want = in_double(inputs),
                   worth = sensitivity(inputs, in_double);
      const RankOutput<float> out = rank_run(p);
      RankGradients<float> g;
      rank_backward_of(p, g);
      const std::vector<float>* got[] = {&out.y, &out.S, &g.dq, &g.dk, &g.dv, &g.dS};
      for (size_t k = 0; k < want.size(); ++k)
        EXPECT_TRUE(agree(*got[k], want[k], worth[k], tol::kF32HeavyOp.or_empty()))
            << shape.name << " output " << k << " " << law_name(law) << head_isa();
    }
  }
}

}  // namespace
}  // namespace hindscan::kernels::glr
