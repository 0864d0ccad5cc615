// What published layers do that their configuration does not tell, each against the public module's own numbers.
#include <gtest/gtest.h>

#include "arch_pass.h"
#include "base/testing/scratch.h"
#include "explain/report.h"
#include "model/rwkv_state.h"

namespace hindscan {
namespace {

using testing::ArchGolden;
using testing::run;

void expect_logits(const ArchGolden& golden) {
  const Model model = golden.model<double>();
  for (size_t s = 0; s < 2; ++s)
    EXPECT_TRUE(agree(run<double>(model, golden.sequences()[s]), golden.logits(s), tol::kF64Logits))
        << "sequence " << s;
}

// fla calls the norm before HGRN2's output projection with that norm's default eps, whatever norm_eps is.
TEST(CaseA15, InnerNormOfHgrn2HasItsOwnEps) {
  for (const char* file : {"hgrn2", "hgrn2-conv"}) {
    const ArchGolden golden(file);
    ASSERT_NE(golden.config().real("norm_eps", 1e-5), 1e-5) << "a golden that cannot tell the two apart";
    expect_logits(golden);
  }
}

// Goldens of fla's families hold what its own modelling code computes, not a layer re-written for the golden.
TEST(CaseA15, GoldensOfFlaFamiliesAreFlasOwnModels) {
  const std::set<std::string> families = {
      "hgrn2", "retnet", "gla", "delta_net", "gated_deltanet", "kda", "gated_deltaproduct"};
  for (const std::string& family : families) {
    for (const std::string& file : testing::golden_cases(family)) {
      const ArchGolden golden(file);
      const std::string reference(parse_json(golden.file().metadata(), "golden").find("reference")->as_string());
      EXPECT_NE(reference.find("with its own trunk"), std::string::npos) << file << ": " << reference;
      EXPECT_TRUE(golden.file().has("mixer_rows.0")) << file;
    }
  }
}

int64_t rows_of(const Config& config, const std::string& weight) {
  const auto arch = make_architecture(config);
  WeightTable t;
  arch->declare(t);
  const Weight* w = t.find(weight);
  EXPECT_NE(w, nullptr) << weight;
  return w == nullptr ? 0 : w->rows();
}

TEST(CaseB, WidthOfXlstmIsRoundedAsTransformersDoes) {
  Config c = architecture_preset("xlstm", {.d_model = 768, .n_layer = 1, .vocab_size = 8});
  c.set("ffn_round_up_to_multiple_of", int64_t{64});
  EXPECT_EQ(rows_of(c, "backbone.blocks.0.ffn.proj_up.weight"), 2048);
  c.set("ffn_proj_factor", 2.669);  // 2049.8
  EXPECT_EQ(rows_of(c, "backbone.blocks.0.ffn.proj_up.weight"), 2112);
}

TEST(CaseB, XlstmKeepsItsLastNormWhateverAddOutNormSays) {
  const ArchGolden golden("xlstm");
  ASSERT_FALSE(golden.config().flag("add_out_norm", true));
  expect_logits(golden);
}

// mamba_ssm's create_block puts its attention and MLPs beside a mixer of any kind.
TEST(CaseB, AttentionAndMlpsOfMambaSsmStandBesideEachOfItsMixers) {
  for (const char* file : {"mamba-attn", "mamba2-attn", "mamba3-attn"}) {
    const ArchGolden golden(file);
    ASSERT_FALSE(golden.config().integers("attn_layer_idx", 0, 10).empty()) << file;
    ASSERT_GT(golden.config().integer("d_intermediate", 0, 1000, 0), 0) << file;
    EXPECT_NE(golden.model<double>().weights().size(), 0u);
    expect_logits(golden);
  }
}

const char* const kTunedStarts[] = {"rwkv5-state", "rwkv6-state", "rwkv7-state"};

// State tuning writes where a text starts into the checkpoint itself.
TEST(CaseB, TunedStatesInTheWeightsOfRwkvAreWhereTextsStart) {
  for (const char* file : kTunedStarts) {
    const ArchGolden golden(file);
    expect_logits(golden);
    Model without = golden.model<double>();
    int states = 0;
    for (size_t k = 0; k < without.weights().size(); ++k) {
      Weight& w = without.weights()[k];
      if (!w.name.ends_with("att.time_state")) continue;
      std::fill_n(static_cast<double*>(w.data), w.size(), 0.0);
      ++states;
    }
    EXPECT_EQ(states, 2);
    EXPECT_FALSE(agree(run<double>(without, golden.sequences()[0]), golden.logits(0), tol::kBf16Storage)) << file;
  }
}

// Such checkpoints lie beside configurations that do not tell of it.
TEST(CaseB, TunedStatesAreFoundInAModelWhoseConfigurationHasNone) {
  for (const char* file : kTunedStarts) {
    const ArchGolden golden(file);
    const Scratch folder;
    golden.model<float>().save(folder.path(), DType::kF32);
    Config config = golden.config();
    config.erase("time_state");
    write_file_atomic(real_fs(), folder.at("config.json"), to_string(config_to_json(config)));
    const Model model = Model::load(folder.path(), {DType::kF64});
    EXPECT_FALSE(model.initial_state().empty());
    EXPECT_TRUE(agree(run<double>(model, golden.sequences()[0]), golden.logits(0), tol::kF64Logits)) << file;
  }
}

// The same states in a file of their own, [H, V, K], for the model without them.
TEST(CaseB, TunedStatesInAFileOfTheirOwnGiveThePublishedLogits) {
  for (const char* file : kTunedStarts) {
    const ArchGolden golden(file);
    const Model tuned = golden.model<double>();
    Config config = golden.config();
    config.erase("time_state");
    Model plain = Model::create(config, DType::kF64, 1);
    TensorStore states("states.pth");
    for (size_t k = 0; k < tuned.weights().size(); ++k) {
      const Weight& from = tuned.weights()[k];
      const auto* values = static_cast<const double*>(from.data);
      if (Weight* to = plain.weights().find(from.name))
        std::copy_n(values, from.size(), static_cast<double*>(to->data));
      else
        states.add_floats(from.name, {from.shape.begin(), from.shape.end()}, {values, values + from.size()});
    }
    EXPECT_EQ(states.size(), 2u);
    std::optional<SequenceState> start = rwkv_tuned_state(states, plain);
    ASSERT_TRUE(start.has_value());
    EXPECT_TRUE(agree(run<double>(plain, golden.sequences()[0], &*start), golden.logits(0), tol::kF64Logits)) << file;
  }
}

// What the weights start a text from has its own share of an explained target.
TEST(CaseB, TunedStatesHaveAShareOfTheTarget) {
  const ArchGolden golden("rwkv7-state");
  const Model model = golden.model<double>();
  ExplainRequest r;
  r.tokens = golden.sequences()[0].tokens;
  r.methods = parse_methods("frozen");
  const MethodReport m = explain(model, r).methods[0];
  const ScoreArray& scores = m.total();
  ASSERT_TRUE(scores.completeness);
  EXPECT_NE(scores.state, 0);
  EXPECT_TRUE(agree(scores.sum + scores.state + scores.no_token, scores.completeness->target, tol::kF64Complete));
}

TEST(CaseB, GatedMlpOfMamba3IsAMultipleOf128Wide) {
  const ArchGolden golden("mamba3");
  ASSERT_EQ(golden.config().integer("d_intermediate", 0, 1000, 0), 24);
  EXPECT_EQ(rows_of(golden.config(), "backbone.layers.0.mlp.fc1.weight"), 256);
  expect_logits(golden);
}

// fla's fused norm of the keys has an eps of 1e-6 under the root, torch's own none to speak of.
TEST(CaseA15, FusedKeyNormOfFlasRwkv7HasAnEps) {
  const ArchGolden golden("rwkv7-fla");
  ASSERT_TRUE(golden.config().flag("fuse_norm", false));
  expect_logits(golden);
}

TEST(CaseB, WidthOfFlasRwkv7IsRoundedUp) {
  Config c = architecture_preset("rwkv7", {.d_model = 16, .n_layer = 1, .vocab_size = 8});
  c.set("norm_eps", 1e-5);
  c.set("hidden_ratio", 2.1);  // 33.6
  EXPECT_EQ(rows_of(c, "blocks.0.ffn.key.weight"), 64);
}

}  // namespace
}  // namespace hindscan
