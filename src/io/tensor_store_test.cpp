// Directories and files of either format behind one interface.
#include "io/tensor_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include "base/error.h"
#include "base/testing/scratch.h"

namespace hindscan {
namespace {

using ::testing::HasSubstr;

class TensorStoreDir : public ::testing::Test {
 protected:
  void copy(const std::string& golden, const std::string& name) {
    write_file_atomic(real_fs(), dir_.at(name),
                      read_file(std::string(HINDSCAN_SOURCE_DIR) + "/tests/golden/torch/" + golden));
  }
  void write(const std::string& name, const std::string& text) { write_file_atomic(real_fs(), dir_.at(name), text); }
  std::string refusal() {
    try {
      TensorStore::open_dir(dir_.path());
    } catch (const Error& e) {
      return e.message();
    }
    return "accepted";
  }
  const Scratch dir_;
};

TEST_F(TensorStoreDir, PytorchFilesAndTheirShards) {
  EXPECT_THAT(refusal(), HasSubstr("expected model.safetensors"));
  copy("module.pth", "pytorch_model.bin");
  EXPECT_EQ(TensorStore::open_dir(dir_.path()).names().size(), 7u);
  real_fs().unlink(dir_.at("pytorch_model.bin"));
  copy("module.pth", "pytorch_model-1.bin");
  copy("plain_dict.pth", "pytorch_model-2.bin");
  const auto index = [&](const std::string& last) {
    std::string map = "{\"weight_map\": {";
    for (const char* n :
         {"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"}) {
      map += fmt::format("\"{}\": \"pytorch_model-1.bin\", ", n);
    }
    write("pytorch_model.bin.index.json", map + last + "}}");
  };
  index("\"a\": \"pytorch_model-2.bin\"");
  const TensorStore store = TensorStore::open_dir(dir_.path());
  EXPECT_EQ(store.names().size(), 8u);
  EXPECT_EQ(floats_of(store.find("a")), (std::vector<float>{-3, -2, -1}));
  index("\"b\": \"pytorch_model-2.bin\"");
  EXPECT_THAT(refusal(), HasSubstr("found 'a' missing"));
  index("\"a\": \"pytorch_model-2.bin\", \"b\": \"pytorch_model-2.bin\"");
  EXPECT_THAT(refusal(), HasSubstr("expected 2 tensors in 'pytorch_model-2.bin'"));
  index("\"a\": \"../pytorch_model-2.bin\"");
  EXPECT_THAT(refusal(), HasSubstr("bare file name"));
  index("\"a\": \"pytorch_model-2.safetensors\"");
  EXPECT_THAT(refusal(), HasSubstr("ending in .bin"));
}

TEST_F(TensorStoreDir, SafetensorsGoBeforePytorch) {
  copy("module.pth", "pytorch_model.bin");
  const float value = 4;
  write_safetensors(real_fs(), dir_.at("model.safetensors"),
                    {{"w", TensorDType::kF32, {1}, {reinterpret_cast<const uint8_t*>(&value), 4}}});
  EXPECT_EQ(TensorStore::open_dir(dir_.path()).names(), (std::vector<std::string>{"w"}));
}

TEST_F(TensorStoreDir, AFileIsKnownByItsFirstBytes) {
  copy("module.pth", "x");
  EXPECT_EQ(TensorStore::open_file(dir_.at("x")).format(), TensorStore::Format::kTorch);
  const float value = 4;
  write_safetensors(real_fs(), dir_.at("x"),
                    {{"w", TensorDType::kF32, {1}, {reinterpret_cast<const uint8_t*>(&value), 4}}});
  TensorStore store = TensorStore::open_file(dir_.at("x"));
  EXPECT_EQ(store.format(), TensorStore::Format::kSafetensors);
  store.rename("w", "v");
  EXPECT_EQ(floats_of(store.find("v")), (std::vector<float>{4}));
  EXPECT_EQ(store.find("v").info->name, "v");
  EXPECT_THROW(store.add_floats("v", {1}, {1}), Error);
}

}  // namespace
}  // namespace hindscan
