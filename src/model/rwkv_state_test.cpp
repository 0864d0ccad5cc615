#include "model/rwkv_state.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "base/testing/compare.h"

namespace hindscan {
namespace {

constexpr int64_t kWidth = 16, kLayers = 2;

Model make(const char* type) {
  Config config = architecture_preset(type, {.d_model = kWidth, .n_layer = kLayers, .vocab_size = 32});
  config.set("head_size", int64_t{8});
  Model model = Model::create(config, DType::kF32, 3);
  for (size_t k = 0; k < model.weights().size(); ++k) {  // a fresh output is zero, and no state would show
    Weight& w = model.weights()[k];
    if (!w.name.ends_with("att.output.weight")) continue;
    for (int64_t i = 0; i < w.size(); ++i) static_cast<float*>(w.data)[i] = 0.1f * static_cast<float>(i % 7 - 3);
  }
  return model;
}

// What a model carries after some tokens, written as a file of tuned states: [H, V, K], or [H, K, V] of halves as
// web-rwkv has it.
TensorStore file_of(const SequenceState& state, int64_t layers, bool web_rwkv = false) {
  TensorStore out("state.pth");
  for (int64_t l = 0; l < layers; ++l) {
    const auto& slot = state.slots().at(fmt::format("blocks.{}.mixer.glr", l));
    const auto* from = reinterpret_cast<const float*>(slot.bytes.data());
    const int64_t H = slot.shape[0], N = slot.shape[1];
    std::vector<float> values(static_cast<size_t>(H * N * N));
    for (int64_t h = 0; h < H; ++h) {
      for (int64_t k = 0; k < N; ++k) {
        for (int64_t v = 0; v < N; ++v) {
          const int64_t at = web_rwkv ? (h * N + k) * N + v : (h * N + v) * N + k;
          values[static_cast<size_t>(at)] = from[(h * N + k) * N + v];
        }
      }
    }
    if (web_rwkv) {
      std::vector<uint8_t> halves(2 * values.size());
      for (size_t i = 0; i < values.size(); ++i) {
        const uint16_t half = float_to_f16(values[i]);
        std::memcpy(halves.data() + 2 * i, &half, 2);
      }
      const std::string name = fmt::format("blocks.{}.att.time_state", l);
      const uint64_t bytes = halves.size();
      out.add({name, TensorDType::kF16, {static_cast<uint64_t>(H), 8, 8}, 0, bytes}, std::move(halves));
      continue;
    }
    out.add_floats(fmt::format("blocks.{}.att.time_state", l), {static_cast<uint64_t>(H), 8, 8}, values);
  }
  return out;
}

TEST(CaseB, TunedStatesOfRwkvAreInitialStates) {
  for (const char* type : {"rwkv5", "rwkv6", "rwkv7"}) {
    const Model model = make(type);
    SequenceState after;
    const std::vector<int32_t> tokens = {3, 1, 4, 1, 5};
    Runner(model).step(tokens, after);
    const std::optional<SequenceState> tuned = rwkv_tuned_state(file_of(after, kLayers), model);
    ASSERT_TRUE(tuned.has_value()) << type;
    EXPECT_EQ(tuned->slots().size(), 2u);
    for (const auto& [name, slot] : tuned->slots()) EXPECT_EQ(slot.bytes, after.slots().at(name).bytes) << name;
    SequenceState with = *tuned, without;
    const int32_t next = 7;
    const auto logits = [&](SequenceState& state) {
      Runner runner(model);
      const auto l = runner.step({&next, 1}, state);
      return std::vector<float>(l.begin(), l.end());
    };
    EXPECT_NE(logits(with), logits(without)) << type;
  }
}

// Keys before values there; as many numbers, so only the number type tells.
TEST(CaseB, TunedStatesThatWebRwkvConvertedAreTurnedBack) {
  const Model model = make("rwkv7");
  SequenceState after;
  const std::vector<int32_t> tokens = {3, 1, 4, 1, 5};
  Runner(model).step(tokens, after);
  const std::optional<SequenceState> plain = rwkv_tuned_state(file_of(after, kLayers), model);
  const std::optional<SequenceState> converted = rwkv_tuned_state(file_of(after, kLayers, true), model);
  for (const auto& [name, slot] : plain->slots()) {
    const auto* a = static_cast<const float*>(converted->get(name, slot.shape, slot.dtype));
    const auto* b = static_cast<const float*>(plain->get(name, slot.shape, slot.dtype));
    const size_t n = slot.bytes.size() / sizeof(float);
    EXPECT_TRUE(agree(std::span(a, n), std::span(b, n), tol::kF16Storage)) << name;
  }
}

TEST(CaseB, StatesOfOtherModelsAreRefused) {
  const Model model = make("rwkv6");
  SequenceState after;
  const int32_t token = 3;
  Runner(model).step({&token, 1}, after);
  EXPECT_THROW(rwkv_tuned_state(file_of(after, 1), model), Error);
  EXPECT_THROW(rwkv_tuned_state(file_of(after, kLayers), make("rwkv")), Error);
  TensorStore other("x.pth");
  other.add_floats("blocks.0.att.key", {1}, {0});
  EXPECT_FALSE(rwkv_tuned_state(other, model).has_value());
  TensorStore wrong("x.pth");
  for (const char* name : {"blocks.0.att.time_state", "blocks.1.att.time_state"})
    wrong.add_floats(name, {2, 4, 8}, std::vector<float>(64));
  EXPECT_THROW(rwkv_tuned_state(wrong, model), Error);
}

}  // namespace
}  // namespace hindscan
