// RWKV models from one file: the configuration read off the tensors gives the model that was saved, whoever wrote the
// file.
#include "model/rwkv_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "base/testing/compare.h"
#include "base/testing/scratch.h"
#include "model/model.h"

namespace hindscan {
namespace {

using ::testing::HasSubstr;

bool known(const std::string& type) {
  const std::vector<std::string> names = architecture_names();
  return std::find(names.begin(), names.end(), type) != names.end();
}

// Two layers of two heads, every weight random.
Model random_model(const std::string& type, const std::string& version = "") {
  Config c;
  c.set("model_type", type);
  c.set("hidden_size", int64_t{16});
  c.set("num_hidden_layers", int64_t{2});
  c.set("vocab_size", int64_t{11});
  c.set("intermediate_size", int64_t{24});
  if (type != "rwkv4") c.set("head_size", int64_t{8});
  if (!version.empty()) c.set("version", version);
  for (const char* key : {"decay_lora", "a_lora", "v_lora", "gate_lora", "mix_lora"}) c.set(key, int64_t{3});
  Model model = Model::create(c, DType::kF32, 1);
  Rng rng(5, type);
  for (size_t k = 0; k < model.weights().size(); ++k) {
    Weight& w = model.weights()[k];
    for (int64_t i = 0; i < w.size(); ++i) static_cast<float*>(w.data)[i] = static_cast<float>(0.4 * rng.normal());
  }
  return model;
}

std::vector<float> last_logits(const Model& model) {
  SequenceState state;
  Runner runner(model);
  const std::vector<int32_t> tokens = {3, 1, 4, 1, 5, 9, 2};
  const std::span<const float> logits = runner.step(tokens, state);
  return {logits.begin(), logits.end()};
}

// RWKV-4 is declared under Hugging Face's names; its authors' files have these.
std::string blinkdl_name(const Weight& w) {
  std::vector<std::string> names = w.aliases;
  names.insert(names.begin(), w.name);
  for (const std::string& name : names) {
    for (const char* start : {"blocks.", "emb.", "ln_out.", "head."}) {
      if (name.starts_with(start)) return name;
    }
  }
  return w.name;
}

class RwkvFile : public ::testing::TestWithParam<const char*> {};

TEST_P(RwkvFile, WeightsAloneGiveTheModel) {
  if (!known(GetParam())) GTEST_SKIP() << "skipped: this family is not built in";
  const Scratch folder;
  const Model model = random_model(GetParam());
  std::vector<TensorToWrite> tensors;
  for (size_t k = 0; k < model.weights().size(); ++k) {
    const Weight& w = model.weights()[k];
    tensors.push_back({blinkdl_name(w),
                       TensorDType::kF32,
                       {w.shape.begin(), w.shape.end()},
                       {static_cast<const uint8_t*>(w.data), static_cast<size_t>(w.size()) * sizeof(float)}});
  }
  write_safetensors(real_fs(), folder.at("model.safetensors"), tensors);
  const Model loaded = Model::load(folder.at("model.safetensors"));
  EXPECT_TRUE(loaded.arch().hf_config() == model.arch().hf_config());
  EXPECT_EQ(last_logits(loaded), last_logits(model));
}

void put32(std::string& out, uint32_t v) {
  for (int i = 0; i < 4; ++i) out += static_cast<char>(v >> (8 * i) & 255u);
}

std::string bin_tensor(const std::string& name, const std::vector<int64_t>& shape, const std::vector<float>& values) {
  std::string out;
  for (const size_t v : {shape.size(), name.size(), size_t{0}}) put32(out, static_cast<uint32_t>(v));
  for (size_t d = shape.size(); d-- > 0;) put32(out, static_cast<uint32_t>(shape[d]));
  out += name;
  out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return out;
}

// The last two dimensions change places.
void transpose(std::vector<int64_t>& shape, std::vector<float>& values) {
  const std::vector<float> from = values;
  const auto rows = static_cast<size_t>(shape[shape.size() - 2]), cols = static_cast<size_t>(shape.back());
  for (size_t i = 0; i < from.size(); ++i)
    values[i / (rows * cols) * rows * cols + i % cols * rows + i / cols % rows] = from[i];
  std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
}

// What convert_pytorch_to_ggml.py of rwkv.cpp does to each tensor.
std::string rwkv_cpp_file(const Model& model, const std::string& type, bool scalar_decay) {
  std::string out;
  for (const uint32_t v : {0x67676d66u, 100u, 11u, 16u, 2u, 0u}) put32(out, v);
  std::vector<float> mixes;
  for (size_t k = 0; k < model.weights().size(); ++k) {
    const Weight& w = model.weights()[k];
    std::vector<int64_t> shape = w.shape;
    std::vector<float> values(w.as<float>(), w.as<float>() + w.size());
    const std::string name = blinkdl_name(w), rest = name.substr(name.rfind('.') + 1);
    const bool att = name.find(".att.") != std::string::npos;
    if (att && rest == "time_decay" && type == "rwkv4")
      std::transform(values.begin(), values.end(), values.begin(), [](float x) { return -std::exp(x); });
    if (att && rest == "time_decay" && type == "rwkv5")
      std::transform(values.begin(), values.end(), values.begin(), [](float x) { return std::exp(-std::exp(x)); });
    if (att && rest == "time_first" && type == "rwkv5")
      std::transform(values.begin(), values.end(), values.begin(), [](float x) { return std::exp(x); });
    if (att && scalar_decay && (rest == "time_decay" || rest == "time_first")) shape = {shape[0], 1, 1};
    const bool low_rank7 = type == "rwkv7" && rest.size() == 2 && (rest[1] == '1' || rest[1] == '2') && rest[0] != 'l';
    if (att && (low_rank7 || rest.ends_with("_w1") || rest.ends_with("_w2"))) transpose(shape, values);
    const bool mix = att && type == "rwkv7" && rest.size() == 3 && rest.starts_with("x_");
    if (!mix) {
      out += bin_tensor(name, shape, values);
      continue;
    }
    mixes.insert(mixes.end(), values.begin(), values.end());
    if (rest == "x_g")
      out += bin_tensor(name.substr(0, name.size() - 3) + "x_rwkvag", {6, 1, 16}, std::exchange(mixes, {}));
  }
  return out;
}

TEST_P(RwkvFile, RwkvCppsFormOfTheWeightsGivesTheModel) {
  const std::string type = GetParam();
  if (!known(type)) GTEST_SKIP() << "skipped: this family is not built in";
  const Scratch folder;
  for (const std::string version : {"5.2", "5.1"}) {
    if (type != "rwkv5" && version == "5.1") continue;
    Model model = random_model(type, type == "rwkv5" ? version : "");
    write_file_atomic(real_fs(), folder.at("m.bin"), rwkv_cpp_file(model, type, version == "5.1"));
    const Model loaded = Model::load(folder.at("m.bin"));
    if (type == "rwkv5") {  // rwkv.cpp norms the heads without dividing
      Config config = model.config();
      config.set("head_size_divisor", 1.0);
      Model same = Model::create(config, DType::kF32, 1);
      same.weights().copy_from(model.weights());
      EXPECT_TRUE(agree(last_logits(loaded), last_logits(same), tol::kF32LongLogits));
    } else {
      EXPECT_TRUE(agree(last_logits(loaded), last_logits(model), tol::kF32LongLogits));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, RwkvFile, ::testing::Values("rwkv4", "rwkv5", "rwkv6", "rwkv7"));

TEST(RwkvNames, OneDecayPerHeadBesideAGateIsSpreadOverItsChannels) {
  if (!known("rwkv5")) GTEST_SKIP() << "skipped: this family is not built in";
  const Scratch folder;
  Model model = random_model("rwkv5", "5.2");
  TensorStore store("f");
  for (size_t k = 0; k < model.weights().size(); ++k) {
    Weight& w = model.weights()[k];
    const bool decay = w.name.ends_with("time_decay"), current = w.name.ends_with("time_faaaa");
    std::vector<float> values(w.as<float>(), w.as<float>() + w.size());
    if (!decay && !current) {
      store.add_floats(w.name, {w.shape.begin(), w.shape.end()}, values);
      continue;
    }
    // The channels of a head get its first number; the file holds one number a head, u as a logarithm.
    for (int64_t i = 0; i < w.size(); ++i)
      static_cast<float*>(w.data)[i] = std::abs(values[static_cast<size_t>(i / 8 * 8)]);
    const float first = std::abs(values[0]), second = std::abs(values[8]);
    if (decay) store.add_floats(w.name, {2}, {first, second});
    if (current)
      store.add_floats(w.name.substr(0, w.name.rfind('.')) + ".time_first", {2}, {std::log(first), std::log(second)});
  }
  const std::optional<Config> config = rwkv_config(store, false);
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->text("version", ""), "5.2");
  const std::vector<float> spread = floats_of(store.find("blocks.1.att.time_faaaa"));
  const Weight& u = *model.weights().find("blocks.1.att.time_faaaa");
  EXPECT_TRUE(agree(spread, std::span(u.as<float>(), static_cast<size_t>(u.size())), tol::kF32Widened));
}

TEST(RwkvNames, OtherTensorsAreNoRwkv) {
  TensorStore store("f");
  store.add_floats("backbone.embeddings.weight", {2, 2}, {1, 2, 3, 4});
  EXPECT_FALSE(rwkv_config(store, false).has_value());
  const Scratch folder;
  const float value = 1;
  write_safetensors(real_fs(), folder.at("x.safetensors"),
                    {{"w", TensorDType::kF32, {1}, {reinterpret_cast<const uint8_t*>(&value), 4}}});
  try {
    Model::load(folder.at("x.safetensors"));
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.message(), HasSubstr("tensors of an RWKV model or a config.json beside"));
  }
}

TEST(RwkvNames, DamagedShapesAreNamed) {
  TensorStore store("f");
  for (const char* name : {"emb.weight", "blocks.0.att.key.weight", "blocks.0.ffn.key.weight", "blocks.0.att.r_k"}) {
    store.add_floats(name, {2, 2}, {1, 2, 3, 4});
  }
  try {
    rwkv_config(store, false);
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    EXPECT_THAT(e.message(), HasSubstr("'blocks.0.att.w1'"));
  }
}

// What is made of a layer grows with its own bytes, not with a width that some shape says.
TEST(CaseC6, DecaysAreSpreadOverNoMoreChannelsThanTheFileHolds) {
  const auto refused = [](const std::vector<uint64_t>& first, const std::vector<uint64_t>& second) {
    TensorStore store("f");
    const auto add = [&](const std::string& name, const std::vector<uint64_t>& shape) {
      uint64_t elements = 1;
      for (const uint64_t n : shape) elements *= n;
      store.add_floats(name, shape, std::vector<float>(elements, 1.0f));
    };
    for (const char* name : {"emb.weight", "blocks.0.ffn.key.weight", "blocks.0.att.gate.weight"}) add(name, {4, 4});
    add("blocks.0.att.ln_x.weight", {4});
    for (const std::string block : {"blocks.0.att.", "blocks.1.att."}) {
      add(block + "time_decay", {1});
      add(block + "time_first", {1});
    }
    add("blocks.0.att.key.weight", first);
    add("blocks.1.att.key.weight", second);
    try {
      rwkv_config(store, false);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kData);
      return e.message();
    }
    return std::string();
  };
  EXPECT_EQ(refused({4, 4}, {4, 4}), "");
  EXPECT_THAT(refused({uint64_t{1} << 40, 0}, {4, 4}), HasSubstr("expected numbers, found a shape of none"));
  EXPECT_THAT(refused({4, 4}, {2, 4}), HasSubstr("'blocks.1.att.key.weight': expected 4 channels, found 2"));
}

TEST(RwkvNames, AUsedRosaTableIsRefused) {
  TensorStore store("f");
  store.add_floats("e.weight", {2, 2}, {1, 2, 3, 4});
  store.add_floats("rwkv1.x_r", {1, 1, 2}, {1, 2});
  store.add_floats("rosa1.rosa_qkv.emb", {1, 1, 2}, {0, 1});
  EXPECT_THROW(rwkv_config(store, false), Error);
}

// Weights and config.json in one folder: the file alone names the same model.
TEST(SingleFile, AConfigBesideTheFileIsRead) {
  const Scratch folder;
  Config c;
  c.set("model_type", std::string("mamba"));
  c.set("hidden_size", int64_t{8});
  c.set("num_hidden_layers", int64_t{1});
  c.set("vocab_size", int64_t{11});
  const Model model = Model::create(c, DType::kF32, 5);
  model.save(folder.path(), DType::kF32);
  EXPECT_EQ(last_logits(Model::load(folder.at("model.safetensors"))), last_logits(model));
}

TEST(SingleFile, AVocabularyBesideTheFileIsRead) {
  if (!known("rwkv4")) GTEST_SKIP() << "skipped: this family is not built in";
  const Scratch folder;
  random_model("rwkv4").save(folder.path(), DType::kF32);
  EXPECT_FALSE(Model::load(folder.at("model.safetensors")).has_tokenizer());
  write_file_atomic(real_fs(), folder.at("vocab.txt"), "abc\n");
  EXPECT_EQ(Model::load(folder.at("model.safetensors")).tokenizer().encode("cab"), (std::vector<int32_t>{2, 0, 1}));
  EXPECT_FALSE(Model::load(folder.path()).has_tokenizer()) << "a directory's vocab.txt may be anything";
  write_file_atomic(real_fs(), folder.at("rwkv_vocab_v1.txt"), "1 'c' 1\n");
  EXPECT_EQ(Model::load(folder.path()).tokenizer().encode("cc"), (std::vector<int32_t>{1, 1}));
  LoadOptions options;
  options.tokenizer = folder.at("vocab.txt");
  EXPECT_EQ(Model::load(folder.path(), options).tokenizer().encode("cc"), (std::vector<int32_t>{2, 2}));
  write_file_atomic(real_fs(), folder.at("rwkv_vocab_v1.txt"), "1 'c' 1\n99 'd' 1\n");
  const Model larger = Model::load(folder.path());  // its tokens are there, its texts are not
  EXPECT_FALSE(larger.has_tokenizer());
  EXPECT_THROW(larger.tokenizer(), Error);
}

}  // namespace
}  // namespace hindscan
