// Every architecture of the registry: numbers that leave the finite range stop the pass with a name and a place.
#include <gtest/gtest.h>

#include <functional>

#include "base/testing/scratch.h"
#include "explain/matrix.h"
#include "explain/position_effects.h"
#include "explain/report.h"
#include "model/predict.h"

namespace hindscan {
namespace {

const std::vector<int32_t> kPrompt = {7, 8, 9, 10};

std::string failure(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData) << e.message();
    return e.message();
  }
  return "";
}

Model preset(const std::string& name) {
  return Model::create(architecture_preset(name, {.d_model = 32, .n_layer = 2, .vocab_size = 60}), DType::kF32, 3);
}

// Everything that reads a text.
std::vector<std::pair<std::string, std::string>> failures(const Model& model, const SequenceState& before) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto record = [&](const char* what, const std::function<void(SequenceState&)>& work) {
    SequenceState state = before;
    out.emplace_back(what, failure([&] { work(state); }));
  };
  record("run", [&](SequenceState& s) { Runner(model).step(kPrompt, s); });
  record("logits", [&](SequenceState& s) { Runner(model).logits(kPrompt, s, [](int64_t, int64_t, const float*) {}); });
  record("score", [&](SequenceState& s) {
    std::vector<double> log_probs(kPrompt.size());
    Runner(model).score(kPrompt, s, log_probs);
  });
  record("explain", [&](SequenceState& s) {
    ExplainRequest r;
    r.tokens = kPrompt;
    r.state_in = s.empty() ? nullptr : &s;
    explain(model, r);
  });
  record("effects", [&](SequenceState& s) {
    EffectsRequest r;
    r.tokens = kPrompt;
    r.state_in = s.empty() ? nullptr : &s;
    position_effects(model, r);
  });
  record("matrix", [&](SequenceState& s) {
    MatrixRequest r;
    r.tokens = kPrompt;
    r.state_in = s.empty() ? nullptr : &s;
    matrix(model, r);
  });
  return out;
}

TEST(CaseA1, NoArchitectureAnswersFromStatesThatAreNoNumbers) {
  for (const std::string& name : architecture_names()) {
    const Model model = preset(name);
    SequenceState sound;
    Runner(model).step(kPrompt, sound);
    for (const float bad : {NAN, INFINITY}) {
      SequenceState state = sound;
      for (const auto& [slot, was] : sound.slots()) {
        float* values = static_cast<float*>(state.put(slot, was.shape, was.dtype));
        std::fill_n(values, was.bytes.size() / sizeof(float), bad);
      }
      for (const auto& [what, message] : failures(model, state))
        EXPECT_NE(message.find("layer 0"), std::string::npos) << name << " " << what << " " << bad << ": " << message;
      const Scratch folder;
      EXPECT_NE(failure([&] { save_state(real_fs(), folder.at("bad.state"), state, model); }), "") << name;
      EXPECT_TRUE(real_fs().list(folder.path()).empty());
    }
  }
}

TEST(CaseA1, HugeFiniteWeightsAreNamedNotAnswered) {
  for (const std::string& name : architecture_names()) {
    Model model = preset(name);
    for (size_t i = 0; i < model.weights().size(); ++i) {
      Weight& w = model.weights()[i];
      for (int64_t k = 0; w.matrix && k < w.size(); ++k) static_cast<float*>(w.data)[k] *= 1e30f;
    }
    const bool saturates = name == "rnn" || name == "gru" || name == "lstm";  // its outputs stay below 1
    for (const auto& [what, message] : failures(model, {}))
      EXPECT_TRUE((saturates && message.empty()) || message.find("finite") != std::string::npos)
          << name << " " << what << ": " << message;
  }
}

TEST(CaseA1, ClassifiersToo) {
  Config config = architecture_preset("gla", {.d_model = 32, .n_layer = 2, .vocab_size = 60});
  config.set("num_labels", int64_t{3});
  Model model = Model::create(config, DType::kF32, 3);
  for (size_t i = 0; i < model.weights().size(); ++i) {
    Weight& w = model.weights()[i];
    if (w.name.find("score") != std::string::npos) std::fill_n(static_cast<float*>(w.data), w.size(), 3e38f);
  }
  Input input;
  input.tokens = kPrompt;
  EXPECT_NE(failure([&] { predict(model, input); }), "");
}

}  // namespace
}  // namespace hindscan
