// A state that stands for one of a long text is as large, and only what grows with tokens is made up.
#include "explain/text_state.h"

#include <gtest/gtest.h>

#include "explain/explain_plan.h"
#include "explain/families_test_support.h"

namespace hindscan {
namespace {

class TextStates : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, TextStates, ::testing::ValuesIn(all_cases()),
                         [](const auto& name) { return name.param; });

// A text of the first few tokens again and again, read whole.
SequenceState read_state(const Model& model, std::span<const int32_t> first, int64_t tokens, SequenceState state) {
  std::vector<int32_t> text;
  for (int64_t t = 0; t < tokens; ++t) text.push_back(first[static_cast<size_t>(t) % first.size()]);
  const RunSequence all{text, &state};
  Runner(model, tokens).feed({&all, 1});
  return state;
}

TEST_P(TextStates, HaveTheShapesOfAStateThatWasRead) {
  const Model model = random_model(config_of(GetParam()), DType::kF32);
  const std::vector<int32_t> few = some_tokens();
  const ExplainRequest r = request_for(few);
  const PassProbe probe = probe_pass(model, walk_of(model, r));
  const SequenceState text = read_state(model, few, 7, {});
  for (const SequenceState* before : {static_cast<const SequenceState*>(nullptr), &text}) {
    for (const int64_t tokens : {int64_t{0}, int64_t{5}, kTokens, int64_t{300}}) {
      const SequenceState made = long_text_state(model, few, before, probe, tokens);
      EXPECT_EQ(made.tokens, tokens + (before == nullptr ? 0 : 7));
      if (tokens == 0) continue;
      const SequenceState read = read_state(model, few, tokens, before == nullptr ? SequenceState() : text);
      ASSERT_EQ(made.slots().size(), read.slots().size());
      for (const auto& [name, slot] : read.slots()) {
        ASSERT_EQ(made.slots().count(name), 1u) << name;
        EXPECT_EQ(made.slots().at(name).shape, slot.shape) << name << " after " << tokens;
        EXPECT_EQ(made.slots().at(name).bytes.size(), slot.bytes.size()) << name << " after " << tokens;
        if (tokens > kTokens) continue;
        EXPECT_EQ(made.slots().at(name).bytes, slot.bytes) << name << " after " << tokens;
      }
    }
  }
}

// Keys of the first tokens, over and over.
TEST(TextState, RepeatsTheRowsThatGrow) {
  const Model model = random_model(config_of("llama"), DType::kF32);
  const std::vector<int32_t> few = some_tokens();
  const PassProbe probe = probe_pass(model, walk_of(model, request_for(few)));
  const SequenceState once = long_text_state(model, few, nullptr, probe, kTokens),
                      twice = long_text_state(model, few, nullptr, probe, 2 * kTokens);
  ASSERT_FALSE(probe.caches.empty());
  for (const KeyCache& cache : probe.caches) {
    std::vector<char> expected = once.slots().at(cache.slot).bytes;
    expected.resize(2 * expected.size());
    std::copy_n(expected.begin(), expected.size() / 2, expected.begin() + std::ssize(expected) / 2);
    EXPECT_EQ(twice.slots().at(cache.slot).bytes, expected) << cache.slot;
  }
}

}  // namespace
}  // namespace hindscan
