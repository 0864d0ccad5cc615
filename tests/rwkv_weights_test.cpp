// Real trained RWKV models of the shared data: expected logits of the tiny byte models, and the digit reverser's
// answers.
#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/rng.h"
#include "base/testing/compare.h"
#include "model/model.h"

namespace hindscan {
namespace {

std::string data_file(const std::string& name) {
  const char* data = std::getenv("HINDSCAN_DATA");
  return (data != nullptr ? std::string(data) : std::string(HINDSCAN_SOURCE_DIR) + "/../shared/data") + "/weights/" +
         name;
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<float> floats_of(const std::string& path) {
  const std::string bytes = bytes_of(path);
  std::vector<float> out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(float));
  return out;
}

// Logits of every token, [T, vocab].
std::vector<float> all_logits(const Model& model, std::span<const int32_t> tokens) {
  std::vector<float> out;
  SequenceState state;
  Runner(model).logits(tokens, state, [&](int64_t, int64_t count, const float* rows) {
    out.insert(out.end(), rows, rows + count * model.arch().sizes().vocab_size);
  });
  return out;
}

class RwkvTiny : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(model_file())) GTEST_SKIP() << "skipped: no data";
  }
  std::string model_file() const { return data_file(fmt::format("rwkv-tiny/tiny-rwkv-{}-FP32.bin", GetParam())); }
};

TEST_P(RwkvTiny, ExpectedLogitsOfThreeBytes) {
  const Model model = Model::load(model_file());
  const std::vector<float> expected = floats_of(data_file(fmt::format("rwkv-tiny/expected-logits-{}.bin", GetParam())));
  ASSERT_EQ(expected.size(), 256u);
  SequenceState state;
  EXPECT_TRUE(agree(Runner(model).step(std::vector<int32_t>{34, 105, 110}, state), expected, tol::kF32LongLogits));
}

TEST_P(RwkvTiny, LogitsOfALongerText) {
  const Model model = Model::load(model_file());
  const std::string text = bytes_of(data_file("rwkv-tiny/prompt192.txt"));
  std::vector<int32_t> tokens;
  for (const char c : text) tokens.push_back(static_cast<uint8_t>(c));
  const std::vector<float> expected =
      floats_of(data_file(fmt::format("rwkv-tiny/reference-logits-{}-prompt192.f32", GetParam())));
  ASSERT_EQ(expected.size(), 192u * 256u);
  EXPECT_TRUE(agree(all_logits(model, tokens), expected, tol::kF32LongLogits));
}

INSTANTIATE_TEST_SUITE_P(Files, RwkvTiny, ::testing::Values("5v1-730K", "5v2-730K", "7v0-834K"), [](const auto& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(RwkvReverser, GetsTheDigitsRight) {
  const std::string file = data_file("rwkv7-reverse/260123_reverse_L2_only_rwkv7.pth");
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "skipped: no data";
  constexpr int32_t kComma = 10, kEnd = 11;  // of the vocabulary 0123456789,#
  const Model model = Model::load(file);
  Rng rng(7, "digits");
  int64_t right = 0, asked = 0;
  for (int64_t digits = 1; digits <= 60; ++digits) {
    std::vector<int32_t> tokens;
    for (int64_t i = 0; i < digits; ++i) tokens.push_back(static_cast<int32_t>(rng.uniform() * 10));
    tokens.push_back(kComma);
    for (int64_t i = digits; i-- > 0;) tokens.push_back(tokens[static_cast<size_t>(i)]);
    tokens.push_back(kEnd);
    const std::vector<float> logits = all_logits(model, tokens);
    for (size_t t = static_cast<size_t>(digits); t + 1 < tokens.size(); ++t) {
      const auto row = logits.begin() + static_cast<std::ptrdiff_t>(t * 12);
      right += std::max_element(row, row + 12) - row == tokens[t + 1];
      ++asked;
    }
  }
  EXPECT_GE(static_cast<double>(right), 0.999 * static_cast<double>(asked)) << right << " of " << asked;
  RecordProperty("right", static_cast<int>(right));
}

}  // namespace
}  // namespace hindscan
