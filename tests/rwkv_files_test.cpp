// Trained RWKV models as their authors publish them, against logits of other programs: rwkv.cpp's files (logits of
// rwkv.cpp and of a double-precision numpy pass) and BlinkDL's digit reverser (numpy).
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ostream>

#include "base/fs.h"
#include "base/mmap.h"
#include "base/testing/compare.h"
#include "base/testing/scratch.h"
#include "io/json.h"
#include "io/vocabulary_file.h"
#include "model/model.h"

namespace hindscan {
namespace {

std::string data_path(const std::string& name) {
  const char* data = std::getenv("HINDSCAN_DATA");
  return join_path(data != nullptr ? data : join_path(HINDSCAN_SOURCE_DIR, "../shared/data"), name);
}

bool missing(const std::string& path) { return real_fs().kind(path) == FileKind::kNone; }

std::vector<float> read_floats(const std::string& path) {
  const std::string bytes = read_file(path);
  std::vector<float> out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(float));
  return out;
}

std::vector<float> all_logits(const Model& model, std::span<const int32_t> tokens) {
  std::vector<float> out;
  SequenceState state;
  Runner(model).logits(tokens, state, [&](int64_t, int64_t count, const float* rows) {
    out.insert(out.end(), rows, rows + count * model.arch().head().rows());
  });
  return out;
}

struct TinyCase {
  const char* file;
  const char* reference;
  Tolerance after_three;  // of the logits after `"in`
};

class TinyRwkv : public ::testing::TestWithParam<TinyCase> {};

TEST_P(TinyRwkv, LogitsAreThoseOfRwkvCpp) {
  const std::string folder = data_path("weights/rwkv-tiny/"), path = folder + "tiny-rwkv-" + GetParam().file + ".bin";
  if (missing(path)) GTEST_SKIP() << "skipped: no data";
  const Model model = Model::load(path);
  const std::vector<int32_t> in = {'"', 'i', 'n'};
  EXPECT_EQ(model.tokenizer().encode("\"in"), in);
  SequenceState state;
  Runner runner(model);
  const std::span<const float> last = runner.step(in, state);
  const std::vector<float> expected = read_floats(folder + "expected-logits-" + GetParam().reference + ".bin");
  EXPECT_TRUE(agree(last, expected, GetParam().after_three));
  EXPECT_EQ(std::max_element(last.begin(), last.end()) - last.begin(),
            std::max_element(expected.begin(), expected.end()) - expected.begin());
}

// Rounded weights differ from the reference by what rounding does: the figures of a numpy pass over the same rounded
// weights.
INSTANTIATE_TEST_SUITE_P(All, TinyRwkv,
                         ::testing::Values(TinyCase{"5v1-730K-FP32", "5v1-730K", tol::kF32TinyLogits},
                                           TinyCase{"5v2-730K-FP32", "5v2-730K", tol::kF32TinyLogits},
                                           TinyCase{"5v2-730K-FP16", "5v2-730K", tol::kStored.times(3e-3)},
                                           TinyCase{"5v2-730K-Q5_0", "5v2-730K", tol::kStored.times(0.515)},
                                           TinyCase{"5v2-730K-Q5_1", "5v2-730K", tol::kStored.times(0.375)},
                                           TinyCase{"7v0-834K-FP32", "7v0-834K", tol::kF32TinyLogits},
                                           TinyCase{"7v0-834K-FP16", "7v0-834K", tol::kStored.times(5e-4)},
                                           TinyCase{"7v0-834K-Q5_0", "7v0-834K", tol::kStored.times(4.5e-3)},
                                           TinyCase{"7v0-834K-Q5_1", "7v0-834K", tol::kStored.times(4.5e-3)}));

TEST(TinyRwkvLong, EveryPositionOfALongerTextAgrees) {
  const std::string folder = data_path("weights/rwkv-tiny/");
  if (missing(folder)) GTEST_SKIP() << "skipped: no data";
  for (const std::string name : {"5v1-730K", "5v2-730K", "7v0-834K"}) {
    const Model model = Model::load(fmt::format("{}tiny-rwkv-{}-FP32.bin", folder, name));
    const std::vector<int32_t> tokens = model.tokenizer().encode(read_file(folder + "prompt192.txt"));
    const std::vector<float> expected = read_floats(fmt::format("{}reference-logits-{}-prompt192.f32", folder, name));
    EXPECT_TRUE(agree(all_logits(model, tokens), expected, tol::kF32LongLogits)) << name;
  }
}

// In double to the printed digits; in float the state of the longest case has lost three of seven.
struct ReverserCase {
  const char* file;
  std::optional<DType> dtype;
  Tolerance tolerance;
  friend std::ostream& operator<<(std::ostream& out, const ReverserCase& c) {
    return out << c.file << (c.dtype ? " f64" : "");
  }
};
class Reverser : public ::testing::TestWithParam<ReverserCase> {};

TEST_P(Reverser, LogitsAndAnswersAreTheReferences) {
  const std::string folder = data_path("weights/rwkv7-reverse/");
  if (missing(folder)) GTEST_SKIP() << "skipped: no data";
  const Scratch scratch;
  const std::string vocabulary = scratch.at("digits.txt");
  write_file_atomic(real_fs(), vocabulary, "0123456789,#\n");
  LoadOptions options;
  options.tokenizer = vocabulary;
  options.dtype = GetParam().dtype;
  const Model model = Model::load(folder + GetParam().file, options);
  EXPECT_NE(model.arch().logit_head().bias, nullptr);
  const Json expected = load_json(folder + "expected.json");
  int cases = 0;
  for (const Json& c : expected.find("cases")->items()) {
    const std::vector<int32_t> tokens = model.tokenizer().encode(c.find("input")->as_string());
    ASSERT_EQ(tokens.size(), c.find("tokens")->items().size());
    for (size_t i = 0; i < tokens.size(); ++i) EXPECT_EQ(tokens[i], c.find("tokens")->items()[i].as_int());
    const std::vector<float> logits = all_logits(model, tokens);  // [T, 12]
    const auto compare = [&](size_t position, const Json& wanted) {
      std::vector<double> numbers;
      for (const Json& number : wanted.items()) numbers.push_back(number.as_double());
      EXPECT_TRUE(agree(std::span(logits).subspan(position * 12, 12), numbers, GetParam().tolerance)) << position;
    };
    const auto comma = static_cast<size_t>(std::find(tokens.begin(), tokens.end(), 10) - tokens.begin());
    compare(comma, *c.find("logits_at_comma"));
    compare(tokens.size() - 1, *c.find("logits_last_position"));
    const Json::Array& next = c.find("next_tokens_from_comma")->items();
    for (size_t i = 0; i < next.size(); ++i) {
      const auto row = logits.begin() + static_cast<std::ptrdiff_t>((comma + i) * 12);
      EXPECT_EQ(std::max_element(row, row + 12) - row, next[i].as_int());
    }
    ++cases;
  }
  EXPECT_GT(cases, 2);
  real_fs().unlink(vocabulary);
}

INSTANTIATE_TEST_SUITE_P(
    All, Reverser,
    ::testing::Values(ReverserCase{"260123_reverse_L2_only_rwkv7.pth", DType::kF64, tol::kF32LongLogits.times(0.03)},
                      ReverserCase{"260123_reverse_L2_only_rwkv7.pth", {}, tol::kF32LongLogits.times(10)},
                      ReverserCase{"rwkv7-reverse-L2-D32.safetensors", {}, tol::kF32LongLogits.times(10)}));

TEST(ReverserSaved, ADirectoryIsTheSameModel) {
  const std::string path = data_path("weights/rwkv7-reverse/260123_reverse_L2_only_rwkv7.pth");
  if (missing(path)) GTEST_SKIP() << "skipped: no data";
  const Scratch scratch;
  const std::string vocabulary = scratch.at("digits.txt"), folder = scratch.at("saved");
  write_file_atomic(real_fs(), vocabulary, "0123456789,#\n");
  LoadOptions options;
  options.tokenizer = vocabulary;
  const Model model = Model::load(path, options);
  model.save(folder, DType::kF32);
  const Model again = Model::load(folder);
  const std::vector<int32_t> tokens = again.tokenizer().encode("31415,");
  EXPECT_EQ(tokens, model.tokenizer().encode("31415,"));
  EXPECT_EQ(all_logits(again, tokens), all_logits(model, tokens));
  EXPECT_EQ(again.tokenizer().decode(tokens), "31415,");
}

}  // namespace
}  // namespace hindscan
