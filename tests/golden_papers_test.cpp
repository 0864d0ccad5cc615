// What the code released with arXiv 2403.01590 and 2405.16504 computes of a Mamba, run from its own files.
#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "explain/matrix.h"
#include "explain/report.h"
#include "golden_file.h"

namespace hindscan {
namespace {

TEST(GoldenPapers, FormRepoIsWhatTheReleasedCodeComputes) {
  const testing::GoldenFile golden("papers/mamba_tied.safetensors");
  const Model model = Model::load(testing::golden_path("mamba/mamba_tied")).to(DType::kF64);
  const std::pair<const char*, const char*> methods[] = {{"raw", "raw-attention:start={}"},
                                                         {"rollout", "rollout:form=repo,start={}"},
                                                         {"attribution", "attribution:form=repo,start={}"},
                                                         {"unified", "attribution:form=repo,map=unified,start={}"}};
  for (const int start : {0, 1}) {
    for (const auto& [name, method] : methods) {
      ExplainRequest r;
      r.tokens = golden.ids("tokens");
      r.contrast = Contrast::kNone;
      r.chunk = 40;
      r.methods = parse_methods(fmt::format(fmt::runtime(method), start));
      const ExplainReport report = explain(model, r);
      std::vector<double> got(report.methods[0].scores().begin(), report.methods[0].scores().end() - 1);
      for (double& v : got) v = std::max(v, 0.0);  // as drawn there, without the last token
      const std::vector<double> want = golden.reals<double>(fmt::format("{}.{}", name, start));
      EXPECT_GT(largest(want), 0.01) << name;
      EXPECT_TRUE(agree(got, want, tol::kF64Complete)) << name << " from layer " << start;
    }
  }
}

TEST(GoldenPapers, MapsAndTheirAblations) {
  const testing::GoldenFile golden("papers/mamba_tied.safetensors");
  const Model model = Model::load(testing::golden_path("mamba/mamba_tied")).to(DType::kF64);
  const std::vector<int32_t> tokens = golden.ids("tokens");
  const std::pair<const char*, std::vector<MixerPart>> maps[] = {{"finalMat", {}},
                                                                 {"withoutConv", {MixerPart::kConv}},
                                                                 {"withoutGate", {MixerPart::kGate}},
                                                                 {"withoutAct", {MixerPart::kActivation}}};
  MatrixRequest r;
  r.tokens.assign(tokens.begin(), tokens.begin() + 16);
  r.layer = 1;
  EXPECT_TRUE(agree(matrix(model, r).values, golden.reals<double>("map.S6Attention"), tol::kF32Scores));
  r.fidelity = Fidelity::kMixer;
  for (const auto& [name, parts] : maps) {
    r.without = parts;
    EXPECT_TRUE(agree(matrix(model, r).values, golden.reals<double>(std::string("map.") + name), tol::kF32Scores))
        << name;
  }
  r.fidelity = Fidelity::kCore;
  EXPECT_THROW(matrix(model, r), Error) << "nothing stands around a core";
}

}  // namespace
}  // namespace hindscan
