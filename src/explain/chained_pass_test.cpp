// The states and adjoints that a chained pass shows at every border, against passes that end or begin there.
#include "explain/chained_pass.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/families_test_support.h"

namespace hindscan {
namespace {

class ChainedPasses : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, ChainedPasses, ::testing::ValuesIn(cases_with_a_window()),
                         [](const auto& name) { return name.param; });

std::vector<double> numbers_of(const SequenceState& state, const std::string& slot) {
  const auto found = state.slots().find(slot);
  if (found == state.slots().end()) return {};
  const auto* p = reinterpret_cast<const double*>(found->second.bytes.data());
  return {p, p + found->second.bytes.size() / sizeof(double)};
}

void expect_same(const SequenceState& a, const SequenceState& b, bool last, const std::string& what) {
  for (const auto& [name, slot] : b.slots()) {
    const bool cache = name.ends_with(".k") || name.ends_with(".v");
    if (cache && !last) continue;
    const std::vector<double> want = numbers_of(b, name);
    std::vector<double> got = numbers_of(a, name);
    if (cache && got.size() > want.size()) got.erase(got.begin(), got.end() - std::ssize(want));  // out of the window
    EXPECT_TRUE(agree(got, want, tol::kF64Absolute)) << what << " " << name;
  }
}

// A pass over the tokens from `state`, which advances; seeded with ones at the last token. Returns the state's adjoint.
SequenceState adjoint_of(const Model& model, std::span<const int32_t> tokens, SequenceState& state, PassRoom& room) {
  Input input;
  input.tokens = tokens;
  input.states = {&state};
  CtxOptions options;
  options.record = true;
  options.compute = DType::kF64;
  options.use(room);
  Ctx ctx(input, std::move(options));
  const Var h = model.arch().forward(ctx);
  std::fill_n(ctx.grad<double>(h) + (ctx.rows(h) - 1) * ctx.cols(h), ctx.cols(h), 1.0);
  ctx.backward(exact_rules());
  SequenceState adjoint = std::move(ctx.adjoint_out[0]);
  ctx.commit();
  return adjoint;
}

TEST_P(ChainedPasses, ShowsTheStateAndItsAdjointAtEveryBorder) {
  const Model model = random_model(config_of(GetParam()), DType::kF64);
  const ExplainRequest r = request_of(model, 2000);
  if (r.tokens.empty() || model.arch().sizes().labels > 0) GTEST_SKIP() << "no language model";
  const std::span<const int32_t> tokens(r.tokens);
  PassRoom room;
  SequenceState before = model.initial_state();
  {
    const RunSequence some{tokens.first(5), &before};
    Runner(model).feed({&some, 1});
  }
  const std::span<const int32_t> rest = tokens.subspan(5);
  ChainedPass chained(model, rest, before, room);
  const Var h = chained.h();
  if (chained.ctx().rows(h) != std::ssize(rest)) GTEST_SKIP() << "reads whole texts";
  std::fill_n(chained.ctx().grad<double>(h) + (chained.ctx().rows(h) - 1) * chained.ctx().cols(h),
              chained.ctx().cols(h), 1.0);
  chained.back({});
  std::vector<SequenceState> adjoints;
  for (int64_t i = 0; i < std::ssize(rest); ++i) adjoints.push_back(chained.adjoint(i));
  const std::vector<SequenceState> states = chained.take_states();
  ASSERT_EQ(states.size(), rest.size() + 1);
  PassRoom other;
  for (size_t i = 0; i < rest.size(); i += 3) {
    SequenceState state = before;
    if (i > 0) adjoint_of(model, rest.first(i), state, other);
    EXPECT_EQ(states[i].tokens, state.tokens);
    expect_same(states[i], state, false, "state");
    const SequenceState adjoint = adjoint_of(model, rest.subspan(i), state, other);
    expect_same(adjoints[i], adjoint, i == 0, "adjoint");
    if (i == 0) expect_same(states.back(), state, true, "last state");
  }
}

}  // namespace
}  // namespace hindscan
