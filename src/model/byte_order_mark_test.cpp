// A model whose JSON files were all saved by a Windows editor.
#include <gtest/gtest.h>

#include "base/mmap.h"
#include "base/testing/scratch.h"
#include "io/vocabulary_file.h"
#include "model/model.h"

namespace hindscan {
namespace {

TEST(CaseB, EveryJsonFileOfAModelMayBeginWithAByteOrderMark) {
  const Scratch dir;
  Config c;
  c.set("model_type", std::string("mamba"));
  c.set("hidden_size", int64_t{8});
  c.set("num_hidden_layers", int64_t{1});
  c.set("vocab_size", int64_t{256});
  Model model = Model::create(c, DType::kF32, 5);
  model.set_tokenizer(byte_tokenizer_json(), "bytes");
  model.save(dir.path(), DType::kF32, 600);  // in shards, with an index
  write_file_atomic(real_fs(), dir.at("generation_config.json"), R"({"eos_token_id": 7})");
  int files = 0;
  for (const std::string& name : real_fs().list(dir.path())) {
    if (!name.ends_with(".json")) continue;
    const std::string path = dir.at(name);
    write_file_atomic(real_fs(), path, "\xEF\xBB\xBF" + read_file(path));
    ++files;
  }
  EXPECT_EQ(files, 4);
  const Model loaded = Model::load(dir.path());
  EXPECT_EQ(loaded.weights_hash(), model.weights_hash());
  EXPECT_EQ(loaded.generation().end_ids, std::vector<int32_t>{7});
  EXPECT_EQ(loaded.tokenizer().encode("ab").size(), 2u);
}

}  // namespace
}  // namespace hindscan
