// One file of every version of every persistent format (tests/golden/formats): it loads, or is refused with the
// sentence that says how to convert it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include <set>

#include "base/formats.h"
#include "base/testing/scratch.h"
#include "model/file_format.h"
#include "model/model.h"
#include "model/weights_hash.h"
#include "train/checkpoint.h"
#include "train/trainer.h"

namespace hindscan {
namespace {

using ::testing::HasSubstr;

std::string golden(const std::string& name) {
  return std::string(HINDSCAN_SOURCE_DIR) + "/tests/golden/formats/" + name;
}

template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData) << e.message();
    return e.message();
  }
  return "accepted";
}

void copy_dir(const std::string& from, const std::string& to) {
  make_dirs(real_fs(), to);
  for (const std::string& name : real_fs().list(from))
    write_file_atomic(real_fs(), join_path(to, name), real_fs().read(join_path(from, name), 1 << 20));
}

TEST(FormatFiles, TheNewestVersionOfEachIsKept) {
  std::set<std::string_view> kept = {format::kCheckpoint};  // below
  for (const auto& [file, name] : {std::pair{"state-2.safetensors", format::kState},
                                   {"model-1/model.safetensors", format::kModel},
                                   {"explain-3.json", format::kExplainJson},
                                   {"explain-npz-2.npz", format::kExplainNpz},
                                   {"matrix-npz-1.npz", format::kMatrixNpz},
                                   {"effects-npz-1.npz", format::kEffectsNpz}}) {
    const auto found = file_format(golden(file));
    ASSERT_TRUE(found) << file;
    EXPECT_EQ(found->name, name) << file;
    kept.insert(name);
    EXPECT_THAT(found->weights, ::testing::MatchesRegex("xxh64:[0-9a-f]{16}")) << file;
  }
  EXPECT_THAT(real_fs().read(golden("checkpoint-2/train.json"), 1 << 20), HasSubstr(format::kCheckpoint));
  EXPECT_EQ(kept, std::set<std::string_view>(std::begin(format::kFiles), std::end(format::kFiles)));
}

TEST(FormatFiles, AllFilesOfOneModelNameTheSameWeights) {
  const std::string hash = weights_hash(Model::load(golden("model-1")).weights());
  for (const char* file : {"state-2.safetensors", "model-1/model.safetensors", "explain-3.json", "explain-npz-2.npz",
                           "matrix-npz-1.npz", "effects-npz-1.npz"})
    EXPECT_EQ(file_format(golden(file))->weights, hash) << file;
}

TEST(FormatFiles, StateOfVersion2LoadsAndVersion1SaysHowToConvert) {
  const Model model = Model::load(golden("model-1"));
  EXPECT_EQ(load_state(golden("state-2.safetensors"), model).tokens, 3);
  const std::string message = refusal([&] { load_state(golden("state-1.safetensors"), model); });
  EXPECT_THAT(message, HasSubstr("hindscan.state/1"));
  EXPECT_THAT(message, HasSubstr("--state-out"));
}

TEST(FormatFiles, ReportsOfOlderVersionsSayHowToConvert) {
  EXPECT_THAT(refusal([] { file_format(golden("explain-1.json")); }), HasSubstr("run 'hindscan explain'"));
  EXPECT_THAT(refusal([] { file_format(golden("explain-2.json")); }), HasSubstr("arrays with axes"));
  EXPECT_THAT(refusal([] { file_format(golden("explain-npz-1.npz")); }), HasSubstr("one array NAME.paths"));
  EXPECT_THAT(refusal([] { file_format(golden("explain-npz-0.npz")); }), HasSubstr("write it again with -o"));
  EXPECT_THAT(refusal([] { file_format(golden("matrix-npz-0.npz")); }), HasSubstr("write it again with -o"));
}

TEST(FormatFiles, ModelsFromBeforeTheVersionsLoad) {
  const Model model = Model::load(golden("model-0"));
  EXPECT_FALSE(file_format(golden("model-0/model.safetensors")));
  EXPECT_GT(model.weights().parameters(), 0);
}

TEST(FormatFiles, CheckpointsOfBothVersionsLoad) {
  for (const char* name : {"checkpoint-1", "checkpoint-2"}) {
    const Scratch run;
    copy_dir(golden(name), join_path(run.path(), checkpoint_name(2)));
    const Checkpoint checkpoint = load_checkpoint(real_fs(), run.path(), 2);
    EXPECT_EQ(checkpoint_options(checkpoint).steps, 2) << name;
    Model model = Model::create(checkpoint_config(checkpoint), DType::kF32, 1);
    restore_weights(checkpoint, model.weights());
    EXPECT_EQ(find_non_finite(model.weights()), "") << name;
  }
}

TEST(FormatFiles, AVersionOfTheFutureAsksForANewerProgram) {
  EXPECT_THAT(refusal([] { format::expect("f", format::kState, "hindscan.state/3"); }), HasSubstr("update"));
  EXPECT_THAT(refusal([] { format::expect("f", format::kCheckpoint, "hindscan.checkpoint/99"); }), HasSubstr("update"));
  for (const char* bad : {"", "pt", "hindscan.state", "hindscan.state/", "hindscan.state/x", "hindscan.state/0",
                          "hindscan.explain/3", "/", "//2"})
    EXPECT_NE(refusal([&] { format::expect("f", format::kState, bad); }), "accepted") << bad;
}

// The hash is whole: one bit in the middle of a tensor is seen, in a model and between a state and its model.
TEST(FormatFiles, OneChangedBitOfAWeightIsSeen) {
  const Scratch scratch;
  copy_dir(golden("model-1"), join_path(scratch.path(), "damaged"));
  const std::string path = join_path(scratch.path(), "damaged/model.safetensors");
  std::string bytes = real_fs().read(path, 1 << 20);
  bytes[bytes.size() - 3] = static_cast<char>(bytes[bytes.size() - 3] ^ 1);
  write_file_atomic(real_fs(), path, bytes);
  EXPECT_THAT(refusal([&] { Model::load(parent_dir(path)); }), HasSubstr("expected weights of hash"));

  Config config = Model::load(golden("model-1")).config();
  config.set("vocab_size", int64_t{2000});  // an embedding of 64 kB
  Model model = Model::create(config, DType::kF32, 1);
  for (size_t k = 0; k < model.weights().size(); ++k) {
    const std::string before = model_hash(model);
    Weight& w = model.weights()[k];
    static_cast<uint8_t*>(w.data)[static_cast<size_t>(w.size()) * sizeof(float) - 1] ^= 1;
    EXPECT_NE(model_hash(model), before) << w.name;
  }
  EXPECT_THAT(refusal([&] { load_state(golden("state-2.safetensors"), model); }), HasSubstr("of this model"));
}

TEST(FormatFiles, AModelKeepsItsHashThroughShards) {
  const Model model = Model::load(golden("model-1"));
  const Scratch scratch;
  model.save(scratch.path(), DType::kBF16, 256);
  EXPECT_EQ(real_fs().kind(join_path(scratch.path(), "model.safetensors.index.json")), FileKind::kRegular);
  EXPECT_EQ(weights_hash(Model::load(scratch.path()).weights()), weights_hash(model.weights()));
}

}  // namespace
}  // namespace hindscan
