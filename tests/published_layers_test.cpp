// What published layers do that their configuration does not tell, each against the public module's own numbers.
#include <gtest/gtest.h>

#include "arch_pass.h"

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
  const std::set<std::string> families = {"hgrn2", "retnet", "gla", "delta_net", "gated_deltanet", "kda"};
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
