// Every architecture under the rules that hand on relevance: with the carried state and the biases it adds up to the
// target.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/testing/compare.h"
#include "explain/families_test_support.h"
#include "explain/orders.h"
#include "explain/reverse_method.h"

namespace hindscan {
namespace {

class FamilyRules : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, FamilyRules, ::testing::ValuesIn(all_cases()),
                         [](const auto& name) { return name.param; });

// A text, continued from a state where the family reads tokens one after another.
struct Text {
  explicit Text(const Model& model) : request(request_of(model, 2000)), input(), ctx() {
    input = Recorded::make_input(request.tokens, request.features, model.arch().sizes().feature_dim);
    if (model.arch().sizes().labels == 0 && !request.tokens.empty()) {
      state = state_after(model, std::span(request.tokens).first(9));
      input.tokens = std::span(request.tokens).subspan(9);
      input.states = {&state};
    }
    ctx = std::make_unique<Ctx>(input, Recorded::options(model));
    h = model.arch().forward(*ctx);
  }

  // Scores by token; the seed is a direction of the last row.
  std::vector<double> scores(const AdjointRules& rules) {
    ctx->clear_grads();
    ctx->adjoint_out.assign(1, {});
    ctx->bias_share = target = 0;
    const int64_t C = ctx->cols(h), last = ctx->rows(h) - 1;
    double* dh = ctx->grad<double>(h);
    for (int64_t c = 0; c < C; ++c) {
      dh[last * C + c] = std::sin(1.3 * static_cast<double>(c) + 0.4);
      target += dh[last * C + c] * ctx->data<double>(h)[last * C + c];
    }
    ctx->backward(rules);
    const Var e = embedding_of(*ctx);
    std::vector<double> out(static_cast<size_t>(ctx->rows(e)), 0.0);
    for (int64_t i = 0; i < ctx->rows(e) * ctx->cols(e); ++i)
      out[static_cast<size_t>(i / ctx->cols(e))] += ctx->data<double>(e)[i] * ctx->grad<double>(e)[i];
    return out;
  }
  void expect_complete(const AdjointRules& rules, const char* what) {
    double sum = 0;
    for (double s : scores(rules)) sum += s;
    sum += state_dot(input.states.empty() ? nullptr : &state, ctx->adjoint_out[0]) + ctx->bias_share;
    EXPECT_GT(std::abs(target), 1e-3);
    EXPECT_TRUE(agree(sum, target, tol::kF64Absolute)) << what;
  }

  ExplainRequest request;
  SequenceState state;
  Input input;
  std::unique_ptr<Ctx> ctx;
  Var h = kNoVar;
  double target = 0;
};

AdjointRules gamma_rules() {
  return half_rules().set(Role::kLinear, {Rule::kGamma, 0, 0.25}).set(Role::kConv, {Rule::kGamma, 0, 0.25});
}

TEST_P(FamilyRules, RelevanceAddsUpToTheTarget) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  Text text(model);
  text.expect_complete(frozen_rules(), "frozen");
  text.expect_complete(half_rules(), "half");
  text.expect_complete(gamma_rules(), "half and gamma");
}

// Half is another split exactly where a signal gates a signal.
TEST_P(FamilyRules, HalfDiffersFromFrozenWhereSignalsMultiply) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  Text text(model);
  const auto& nodes = text.ctx->nodes();
  const bool meet = std::any_of(nodes.begin(), nodes.end(),
                                [](const OpNode& n) { return n.role == Role::kGate && n.second_is_signal; });
  const std::vector<double> frozen = text.scores(frozen_rules()), half = text.scores(half_rules());
  EXPECT_EQ(frozen != half, meet);
}

}  // namespace
}  // namespace hindscan
