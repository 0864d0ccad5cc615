// Every architecture of the registry: each kind of edit is really made, and its effect is that of the definition.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/testing/compare.h"
#include "eval/causal.h"
#include "explain/rerun.h"
#include "explain/target.h"

namespace hindscan {
namespace {

constexpr int64_t kTokens = 12, kVocab = 60;

std::vector<std::pair<std::string, Config>> all_models() {
  std::vector<std::pair<std::string, Config>> out;
  for (const std::string& name : architecture_names())
    out.emplace_back(name, architecture_preset(name, {.d_model = 32, .n_layer = 3, .vocab_size = kVocab}));
  out.emplace_back("xlstm_slstm", architecture_preset("xlstm", {.d_model = 32, .n_layer = 3, .vocab_size = kVocab}));
  out.back().second.set_list("slstm_at", std::vector<int64_t>{0, 2});
  return out;
}

// The published initialisation, then every parameter moved, so that none stays at zero or one.
Model random_model(const Config& config) {
  Model m = Model::create(config, DType::kF64, 3);
  Rng rng(3, "edits");
  for (size_t i = 0; i < m.weights().size(); ++i) {
    Weight& w = m.weights()[i];
    const double scale = w.matrix ? 0.7 / std::sqrt(static_cast<double>(w.cols())) : 0.15;
    for (int64_t k = 0; k < w.size(); ++k) static_cast<double*>(w.data)[k] += scale * rng.normal();
  }
  return m;
}

ExplainRequest request_of(const Model& model) {
  ExplainRequest r;
  Rng rng(8, "tokens");
  for (int64_t t = 0; t < kTokens; ++t) r.tokens.push_back(static_cast<int32_t>(rng.below(kVocab)));
  r.methods = parse_methods("frozen");
  r.causal_edits = 1000;
  if (model.arch().sizes().labels > 0) r.target_id = 1;
  return r;
}

TEST(CaseA12, EveryKindOfEditChangesEveryArchitecture) {
  for (const auto& [name, config] : all_models()) {
    for (const bool judged : {false, true}) {
      Config c = config;
      if (judged) {
        c.set("pooling", std::string("mean"));
        c.set("num_labels", int64_t{3});
      }
      const Model model = random_model(c);
      const ExplainRequest r = request_of(model);
      ExplainReport report = explain(model, r);
      const std::vector<Edit> edits = add_causal(model, r, report);
      ASSERT_EQ(edits.size(), static_cast<size_t>(3 * (kTokens - 1))) << name;
      for (const Edit& e : edits) {
        EXPECT_TRUE(e.changed) << name << ": " << edit_name(e.kind) << " at " << e.position;
        EXPECT_GT(std::abs(e.measured), 0) << name << ": " << edit_name(e.kind) << " at " << e.position;
      }
    }
  }
}

// Gates that keep a carried state for ever write nothing: no fault of the program.
TEST(CaseA12, AStateThatIsKeptAsItIsMeasuresNothing) {
  constexpr int64_t kD = 16;
  Model model = random_model(architecture_preset("gru", {.d_model = kD, .n_layer = 2, .vocab_size = kVocab}));
  size_t gates = 0;
  for (size_t i = 0; i < model.weights().size(); ++i) {
    Weight& w = model.weights()[i];
    if (w.size() != 3 * kD || w.name.find("bias") == std::string::npos) continue;
    std::fill_n(static_cast<double*>(w.data) + kD, kD, 1000.0);  // of r, z, n: z
    ++gates;
  }
  ASSERT_GE(gates, 2u);
  ExplainRequest r = request_of(model);
  SequenceState state;
  Input input;
  input.tokens = r.tokens;
  input.states = {&state};
  CtxOptions options;
  options.compute = DType::kF64;
  Ctx ctx(input, std::move(options));
  model.arch().forward(ctx);
  ctx.commit();
  ASSERT_FALSE(state.empty());
  const SequenceState names = state;
  for (const auto& [name, slot] : names.slots())
    std::fill_n(static_cast<double*>(state.put(name, slot.shape, slot.dtype)), slot.bytes.size() / sizeof(double), 0.5);
  r.state_in = &state;
  ExplainReport report = explain(model, r);
  for (const Edit& e : add_causal(model, r, report)) EXPECT_EQ(e.measured, 0) << edit_name(e.kind);
}

// What a pathological model does is no fault of the program: it is measured, or refused as data with a reason.
TEST(CaseA12, SaturatedAndDeadNetsAreNoFaultOfTheProgram) {
  const auto distorted = [](const Config& config, double matrices, double vectors) {
    Model m = random_model(config).to(DType::kF32);
    for (size_t i = 0; i < m.weights().size(); ++i) {
      Weight& w = m.weights()[i];
      for (int64_t k = 0; k < w.size(); ++k) {
        float& x = static_cast<float*>(w.data)[k];
        x = static_cast<float>(w.shape.size() > 1 ? x * matrices : std::copysign(vectors, k % 3 == 0 ? -1 : 1) + x);
      }
    }
    return m;
  };
  int refused = 0;
  for (const auto& [name, config] : all_models()) {
    for (const auto& [matrices, vectors] :
         std::vector<std::pair<double, double>>{{1e30, 0}, {100, 0}, {0, 5}, {1, 1e4}, {1e-30, 1e4}}) {
      const Model model = distorted(config, matrices, vectors);
      ExplainRequest r = request_of(model);
      r.causal_edits = 3;  // one of each kind
      try {
        ExplainReport report = explain(model, r);
        add_causal(model, r, report);
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::kData) << name << " " << matrices << " " << vectors << ": " << e.message();
        refused += e.message().find("saturate the recurrence") != std::string::npos;
      }
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(CaseA12, ADroppedWriteIsMeasuredAsTheRunWithoutThatInput) {
  const Model model = random_model(architecture_preset("lstm", {.d_model = 32, .n_layer = 1, .vocab_size = kVocab}));
  ExplainRequest r = request_of(model);
  const ExplainReport report = explain(model, r);
  std::vector<Edit> edits = {{EditKind::kDropWrite, 4, 0, 0}};
  measure_edits(model, r, report, edits);
  // The same by hand: an LSTM whose input is zero at that token.
  CtxOptions options;
  options.compute = DType::kF64;
  options.tap = [](const TapView& view) {
    if (view.name == "blocks.0.mixer.v") std::fill_n(static_cast<double*>(view.data) + 4 * view.C, view.C, 0.0);
  };
  Input input;
  input.tokens = r.tokens;
  const auto value = [&](CtxOptions o) {
    Ctx ctx(input, std::move(o));
    const Var h = model.arch().forward(ctx);
    const double* last = ctx.data<double>(h) + (ctx.rows(h) - 1) * ctx.cols(h);
    return target_value(model, report.target, {last, last + ctx.cols(h)});
  };
  CtxOptions plain;
  plain.compute = DType::kF64;
  EXPECT_TRUE(agree(edits[0].measured, value(options) - value(plain), tol::kF64Absolute));
}

}  // namespace
}  // namespace hindscan
