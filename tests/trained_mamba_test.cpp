// Trained Mamba-1 layers against double-precision passes of another program: two keyword spotters and four mixers of a
// positioning network.
#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "arch/classifier.h"
#include "arch/mixer.h"
#include "base/fs.h"
#include "base/mmap.h"
#include "base/testing/compare.h"
#include "core/ops/embedding.h"
#include "io/json_reader.h"
#include "model/load_weights.h"
#include "model/predict.h"

namespace hindscan {
namespace {

std::string data_path(const std::string& name) {
  const char* data = std::getenv("HINDSCAN_DATA");
  return join_path(data != nullptr ? data : join_path(HINDSCAN_SOURCE_DIR, "../shared/data"), name);
}

bool missing(const std::string& path) { return real_fs().kind(path) == FileKind::kNone; }

// As tools/convert_kws.py writes them.
TensorStore spotter_tensors(const std::string& path) {
  TensorStore store = TensorStore::open_file(path);
  const std::pair<std::string, std::string> prefixes[] = {
      {"linear_in.", "feature_proj."}, {"mamba.", "layers.0.ssm."}, {"classifier.", "score."}};
  for (const std::string& name : store.names()) {
    for (const auto& [from, to] : prefixes) {
      if (name.starts_with(from)) store.rename(name, to + name.substr(from.size()));
    }
  }
  return store;
}

Config spotter_config(int64_t labels) {
  Config c("spotter");
  c.set("model_type", std::string("hybrid"));
  c.set("hidden_size", int64_t{64});
  c.set_list("layers", std::vector<std::string>{"ssm"});
  c.set("blocks.ssm.model_type", std::string("mamba"));
  for (const char* key : {"residual", "pre_norm", "final_norm"}) c.set(key, false);
  ClassifierOptions o;
  o.num_labels = labels;
  o.feature_dim = 40;
  return classifier_config(std::move(c), o);
}

class Spotter : public ::testing::TestWithParam<std::tuple<const char*, DType>> {};

TEST_P(Spotter, LogitsAreTheReferences) {
  const auto [name, dtype] = GetParam();
  const std::string base = data_path(std::string("weights/mambalite-kws/") + name);
  if (missing(base + ".safetensors")) GTEST_SKIP() << "skipped: no data";
  const Json expected = load_json(base + ".expected.json");
  const Json::Array& logits = JsonReader(expected, base).get_array("logits");
  Model model = Model::create(spotter_config(std::ssize(logits)), DType::kF32, 0);
  load_weights(spotter_tensors(base + ".safetensors"), dtype, model.weights());
  const std::string bytes = read_file(base + ".sample_input.f32");
  std::vector<float> frames(bytes.size() / sizeof(float));  // [100, 40]
  std::memcpy(frames.data(), bytes.data(), bytes.size());
  ASSERT_EQ(frames.size(), 4000u);
  Input input;
  input.features = frames;
  input.feature_dim = 40;
  const std::vector<float> scores = predict(model, input);
  std::vector<double> wanted;
  for (const Json& logit : logits) wanted.push_back(logit.as_double());
  EXPECT_TRUE(agree(scores, wanted, tol::kF32LongLogits));
}

INSTANTIATE_TEST_SUITE_P(TrainedMamba, Spotter,
                         ::testing::Combine(::testing::Values("kws10", "kws3"),
                                            ::testing::Values(DType::kF32, DType::kF64)),
                         [](const auto& i) {
                           return std::string(std::get<0>(i.param)) + "_" + dtype_name(std::get<1>(i.param));
                         });

TEST(TrainedMamba, FourMixersAndTheirStatesAreTheReferences) {
  const std::string base = data_path("weights/mamba1-cmamba/cmamba-4xmamba1-d128");
  if (missing(base + ".safetensors")) GTEST_SKIP() << "skipped: no data";
  Config config("cmamba");
  config.set("model_type", std::string("mamba"));
  config.set("hidden_size", int64_t{128});
  config.set("num_hidden_layers", int64_t{4});
  config.set("vocab_size", int64_t{1});
  const std::unique_ptr<Architecture> arch = make_architecture(config);
  auto* mixer = dynamic_cast<Mixer*>(arch.get());
  ASSERT_NE(mixer, nullptr);
  WeightTable weights;
  weights.ignore("norm.weight");
  for (int64_t l = 0; l < 4; ++l) mixer->declare_mixer(weights, fmt::format("backbone.layers.{}.mixer.", l), l);
  load_weights(TensorStore::open_file(base + ".safetensors"), DType::kF32, weights);

  const TensorStore reference = TensorStore::open_file(base + ".reference.safetensors");
  const std::vector<float> x = floats_of(reference.find("x"));  // [96, 128]
  const auto close = [](const float* found, const std::vector<float>& expected, const std::string& what) {
    EXPECT_TRUE(agree(std::span(found, expected.size()), expected, tol::kF32TrainedLayer)) << what;
    EXPECT_GT(largest(expected), 0) << what;
  };
  for (int64_t l = 0; l < 4; ++l) {
    SequenceState state;
    Input input;
    input.features = x;
    input.feature_dim = 128;
    input.states = {&state};
    Ctx ctx(input, {});
    const Var y = ctx.mixer(ops::features(ctx), [&](Ctx& c, Var u) { return mixer->mix(c, l, u); });  // [96, 128]
    ctx.commit();
    close(ctx.data<float>(y), floats_of(reference.find(fmt::format("mixer{}.y", l))),
          fmt::format("output of mixer {}", l));
    const std::vector<int64_t> shape = {256, 16};
    int found = 0;
    for (const auto& [name, slot] : state.slots()) {
      if (slot.shape != shape) continue;
      ++found;
      close(reinterpret_cast<const float*>(slot.bytes.data()),
            floats_of(reference.find(fmt::format("mixer{}.last_state", l))), name);
    }
    EXPECT_EQ(found, 1);
  }
}

}  // namespace
}  // namespace hindscan
