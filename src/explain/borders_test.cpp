// Borders give back the states they were given, caches that grow kept once.
#include <gtest/gtest.h>

#include <cstring>

#include "explain/reverse_walk.h"

namespace hindscan {
namespace {

void put(SequenceState& state, const std::string& name, const std::vector<float>& values, int64_t width) {
  const int64_t rows = static_cast<int64_t>(values.size()) / width;
  std::memcpy(state.put(name, {rows, width}, DType::kF32), values.data(), values.size() * sizeof(float));
}

std::vector<float> get(const SequenceState& state, const std::string& name) {
  const SequenceState::Slot& slot = state.slots().at(name);
  std::vector<float> out(slot.bytes.size() / sizeof(float));
  std::memcpy(out.data(), slot.bytes.data(), slot.bytes.size());
  return out;
}

TEST(Borders, GiveBackWhatTheyWereGiven) {
  std::vector<SequenceState> states(5);
  std::vector<float> cache;
  for (size_t c = 0; c < states.size(); ++c) {
    const float f = static_cast<float>(c);
    states[c].tokens = static_cast<int64_t>(3 * c);
    if (c == 0) continue;  // before the text: nothing
    cache.insert(cache.end(), {f, f + 0.5f, -f, 2 * f});
    put(states[c], "grows", cache, 2);
    put(states[c], "fixed", {f, f * f, 1}, 3);
    put(states[c], "window", c < 3 ? cache : std::vector<float>{f, 1, 2, 3}, 2);  // grows, then moves on
    if (c > 2) put(states[c], "late", {f}, 1);
  }
  Borders borders;
  for (const SequenceState& s : states) borders.push(s);
  ASSERT_EQ(borders.size(), states.size());
  for (size_t c = 0; c < states.size(); ++c) {
    const SequenceState found = borders.at(c);
    EXPECT_EQ(found.tokens, states[c].tokens);
    ASSERT_EQ(states[c].slots().empty(), c == 0) << c;
    ASSERT_EQ(found.slots().size(), states[c].slots().size()) << c;
    for (const auto& [name, slot] : states[c].slots()) {
      EXPECT_EQ(found.slots().at(name).shape, slot.shape) << name;
      EXPECT_EQ(get(found, name), get(states[c], name)) << name << " at border " << c;
    }
  }
}

}  // namespace
}  // namespace hindscan
