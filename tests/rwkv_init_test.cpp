// Fresh RWKV models start as RWKV-LM's do: fixed values from its own classes, random ones by their law.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "golden_file.h"
#include "model/model.h"

namespace hindscan {
namespace {

Model fresh(const std::string& architecture) {
  Config c = architecture_preset(architecture, {.d_model = 64, .n_layer = 3, .vocab_size = 80});
  c.set("intermediate_size", int64_t{96});
  if (architecture != "rwkv4") c.set("head_size", int64_t{16});
  return Model::create(c, DType::kF32, 5);
}

class RwkvInit : public ::testing::TestWithParam<const char*> {};

TEST_P(RwkvInit, FixedValuesAsPublished) {
  const testing::GoldenFile golden("rwkv_init.safetensors");
  const std::string prefix = std::string(GetParam()) + "/";
  Model model = fresh(GetParam());
  int64_t compared = 0;
  for (const TensorInfo& tensor : golden.tensors()) {
    if (!tensor.name.starts_with(prefix)) continue;
    const Weight* w = model.weights().find(tensor.name.substr(prefix.size()));
    ASSERT_NE(w, nullptr) << tensor.name;
    const std::vector<float> expected = golden.reals<float>(tensor.name);
    ASSERT_TRUE(agree(std::span(w->as<float>(), static_cast<size_t>(w->size())), expected, tol::kF32Init))
        << tensor.name;
    ++compared;
  }
  EXPECT_GE(compared, 20);
}

std::span<const float> values(const Weight& w) { return {w.as<float>(), static_cast<size_t>(w.size())}; }

// W^T W against gain^2 I over the columns of W [rows >= cols].
::testing::AssertionResult orthogonal(const Weight& w, double gain) {
  const int64_t rows = w.rows(), cols = w.cols();
  std::vector<double> products, want;
  for (int64_t a = 0; a < cols; ++a) {
    for (int64_t b = 0; b <= a; ++b) {
      double dot = 0;
      for (int64_t r = 0; r < rows; ++r)
        dot += static_cast<double>(w.as<float>()[r * cols + a]) * w.as<float>()[r * cols + b];
      products.push_back(dot);
      want.push_back(a == b ? gain * gain : 0);
    }
  }
  return agree(products, want, tol::kF32Orthogonal);
}

TEST_P(RwkvInit, RandomValuesByTheirLaw) {
  Model model = fresh(GetParam());
  const auto of = [&](const std::string& name) -> const Weight& { return *model.weights().find(name); };
  const bool v4 = std::string(GetParam()) == "rwkv4";
  EXPECT_LE(largest(values(of("emb.weight"))), 1e-4);
  EXPECT_GT(largest(values(of("emb.weight"))), 0.9e-4);
  EXPECT_TRUE(orthogonal(of("head.weight"), 0.5 * std::sqrt(80.0 / 64.0)));
  EXPECT_TRUE(orthogonal(of("blocks.1.att.value.weight"), 1));
  EXPECT_TRUE(orthogonal(of("blocks.1.ffn.key.weight"), v4 ? std::sqrt(96.0 / 64.0) : 1));
  EXPECT_TRUE(orthogonal(of("blocks.1.att.key.weight"), v4 ? 0 : 0.1));
  EXPECT_EQ(largest(values(of("blocks.2.att.output.weight"))), 0);
  EXPECT_EQ(largest(values(of("blocks.2.ffn.value.weight"))), 0);
}

INSTANTIATE_TEST_SUITE_P(Releases, RwkvInit, ::testing::Values("rwkv4", "rwkv5", "rwkv6", "rwkv7"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace hindscan
