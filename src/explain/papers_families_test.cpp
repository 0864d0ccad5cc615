// Methods of attention maps and of gradients in every family: chunks do not matter, and what a model has not got is
// refused.
#include <gtest/gtest.h>

#include "explain/families_test_support.h"
#include "explain/layer_maps.h"
#include "explain/pass_probe.h"
#include "explain/stream_gradients.h"
#include "explain/target.h"
#include "explain/value_tap_test_support.h"

namespace hindscan {
namespace {

constexpr const char* kMethods[] = {"raw-attention",
                                    "raw-attention:map=unified,start=0",
                                    "rollout:mixing=rank-1,map=unified,rows=normalised",
                                    "rollout:mixing=rank-1,entries=clamped",
                                    "rollout:entries=absolute",
                                    "rollout:map=unified,rows=normalised,entries=clamped",
                                    "attribution:form=repo",
                                    "attribution:form=repo,map=unified",
                                    "attribution:form=paper",
                                    "attribution:form=paper,map=unified,index=query",
                                    "gradient",
                                    "gradient:norm=l1",
                                    "smooth-gradient:samples=2",
                                    "expected-gradients:samples=2",
                                    "integrated-gradients:steps=2,baseline=plausible"};

bool folds_everywhere(const Model& model) {
  Recorded pass(model, request_of(model, 2000));
  const auto views = mixer_views<double>(pass.ctx);
  return std::all_of(views.begin(), views.end(), [](const auto& view) { return view->folds(); });
}

class PapersFamilies : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, PapersFamilies, ::testing::ValuesIn(cases_with_a_window()),
                         [](const auto& name) { return name.param; });

TEST_P(PapersFamilies, ChunksDoNotMatter) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  const SequenceState before = state_after(model, std::vector<int32_t>{4, 9, 2});
  const auto explained = [&](const std::string& method, int64_t chunk, const SequenceState* state) {
    ExplainRequest r = request_of(model, chunk);
    r.methods = parse_methods(method);
    r.state_in = state;
    return explain(model, r).methods[0];
  };
  for (const std::string method : kMethods) {
    const bool reads_itself = method.find("map=unified") != std::string::npos && !folds_everywhere(model);
    const bool side_by_side = GetParam() == kParallel && method.find("rows=normalised,entries") != std::string::npos;
    for (const SequenceState* state : {static_cast<const SequenceState*>(nullptr), &before}) {
      if (side_by_side || reads_itself) {
        EXPECT_THROW(explained(method, 2000, state), Error);
        continue;
      }
      const MethodReport whole = explained(method, 2000, state), chunked = explained(method, 7, state);
      EXPECT_TRUE(agree(whole.scores(), chunked.scores(), tol::kF64SplitScores)) << method;
      EXPECT_GT(largest(whole.scores()), 0) << method;
    }
  }
}

// Gradients around mixers, whatever the family: as the target moves when a tap there is moved.
TEST_P(PapersFamilies, StreamGradientsAreTheSlopesOfTheTarget) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  const ExplainRequest r = request_of(model, 2000);
  const TargetReport target = explain(model, r).target;
  Recorded pass(model, r);
  const auto views = mixer_views<double>(pass.ctx);
  const Orders orders = Orders::of<double>(pass.ctx, pass.h);
  const int64_t T = kTokens, C = model.arch().sizes().d_model;
  const WalkSizes sizes{T, T, std::ssize(views), 0};
  StreamGradients<double> largest_of(sizes, Around::kLargest);
  const std::vector<double> seed = target_seed(model, target);
  largest_of.back({pass.ctx, pass.h, 0, T, T - 1, T - 1, seed, seed, views, orders});
  const size_t l = views.size() - 1;  // the last one
  const std::string tap = pass.ctx.mixers()[views[l]->mixer].where + ".out";
  if (!is_only_one(pass.ctx, tap)) GTEST_SKIP() << "mixers side by side share their tap";
  for (const int64_t t : {T - 1, T / 2}) {
    double want = 0;
    for (int64_t c = 0; c < C; ++c) {
      constexpr double kStep = 1e-5;
      const auto at = [&](double more) {
        CtxOptions options = Recorded::options(model);
        options.tap = [&](const TapView& v) {
          if (v.name == tap) static_cast<double*>(v.data)[t * C + c] += more;
        };
        Ctx ctx(pass.input, std::move(options));
        const double* h = ctx.data<double>(model.arch().forward(ctx));  // [T, d_model]
        return target_value(model, target, {h + (T - 1) * C, static_cast<size_t>(C)});
      };
      want = std::max(want, (at(kStep) - at(-kStep)) / (2 * kStep));
    }
    EXPECT_TRUE(agree(largest_of.of(l)[static_cast<size_t>(t)], want, tol::kFirstOrder)) << t;
  }
}

TEST_P(PapersFamilies, CoefficientsTakeNoMoreThanThePlanSays) {
  const Model model = random_model(config_of(GetParam()), DType::kF32);
  ExplainRequest r = request_of(model, 2000);
  WalkPlan plan;
  plan.tokens = r.tokens;
  const PassProbe probe = probe_pass(model, plan);
  LayerMaps<float> maps(true, kTokens);
  Recorded pass(model, r);
  maps.collect(pass.ctx, mixer_views<float>(pass.ctx), 0);
  EXPECT_GT(maps.bytes(), 0);
  EXPECT_LE(maps.bytes(), probe.tape * kTokens);
}

}  // namespace
}  // namespace hindscan
