#include "model/weights_hash.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "base/testing/scratch.h"
#include "io/safetensors.h"
#include "model/model.h"

namespace hindscan {
namespace {

Model small(uint64_t seed) {
  return Model::create(architecture_preset("gla", {.d_model = 16, .n_layer = 1, .vocab_size = 32}), DType::kF32, seed);
}

class WeightsHash : public ::testing::Test {
 protected:
  void SetUp() override { small(1).save(folder_, DType::kF32); }
  std::string said() const { return TensorStore::open_dir(folder_).metadata("hindscan.weights"); }
  const Scratch scratch_;
  const std::string folder_ = scratch_.at("model");
};

// Numbers changed behind the model's back: a hash that was computed again would show them.
void spoil(const Model& model) { *static_cast<float*>(model.weights()[0].data) += 1; }

TEST_F(WeightsHash, IsComputedOnceAModel) {
  const Model model = small(1);
  const std::string first = model.weights_hash();
  EXPECT_EQ(first, weights_hash(model.weights()));
  spoil(model);
  EXPECT_NE(weights_hash(model.weights()), first);
  EXPECT_EQ(model.weights_hash(), first);
}

TEST_F(WeightsHash, IsForgottenWhereWeightsMayChange) {
  Model model = small(1);
  const std::string first = model.weights_hash();
  *static_cast<float*>(model.weights()[0].data) += 1;
  EXPECT_NE(model.weights_hash(), first);
  EXPECT_EQ(model.weights_hash(), weights_hash(model.weights()));
}

// What was read to check a file is not read again: for a state of the model, say.
TEST_F(WeightsHash, IsThatOfTheFileOnceItWasChecked) {
  const Model model = Model::load(folder_);
  spoil(model);
  EXPECT_EQ(model.weights_hash(), said());
}

TEST_F(WeightsHash, IsItsOwnWhereTheFileWasConvertedOrRenamed) {
  const Model wide = Model::load(folder_, {DType::kF64});
  EXPECT_NE(wide.weights_hash(), said());
  EXPECT_EQ(wide.weights_hash(), weights_hash(wide.weights()));

  const std::string path = folder_ + "/model.safetensors";
  const std::string loaded = said();
  std::vector<std::vector<uint8_t>> bytes;
  std::vector<TensorToWrite> renamed;
  {
    const SafetensorsFile file = SafetensorsFile::open(path);
    for (const TensorInfo& t : file.tensors()) bytes.emplace_back(file.bytes(t).begin(), file.bytes(t).end());
    for (size_t i = 0; i < bytes.size(); ++i)
      renamed.push_back(
          {"module." + file.tensors()[i].name, file.tensors()[i].dtype, file.tensors()[i].shape, bytes[i]});
  }
  TensorStore store("renamed");
  for (const TensorToWrite& t : renamed)
    store.add({t.name, t.dtype, t.shape, 0, t.bytes.size()}, std::vector<uint8_t>(t.bytes.begin(), t.bytes.end()));
  const std::string of_renamed = weights_hash(store);
  EXPECT_NE(of_renamed, loaded);
  write_safetensors(real_fs(), path, std::move(renamed), model_metadata(of_renamed));
  EXPECT_EQ(Model::load(folder_).weights_hash(), loaded);  // of the names as the model has them
}

TEST_F(WeightsHash, IsTheSameFromSeveralThreads) {
  const Model model = small(2);
  std::vector<std::string> found(8);
  std::vector<std::thread> threads;
  threads.reserve(found.size());
  for (std::string& f : found) threads.emplace_back([&] { f = model.weights_hash(); });
  for (std::thread& t : threads) t.join();
  for (const std::string& f : found) EXPECT_EQ(f, weights_hash(model.weights()));
}

}  // namespace
}  // namespace hindscan
