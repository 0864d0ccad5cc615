// MANIFEST.json, a NUL byte, train.json of a checkpoint; and train.json alone, under a manifest that agrees.
#include "base/hash.h"
#include "fuzz_util.h"
#include "io/json.h"
#include "train/recording_fs_test_support.h"
#include "train/trainer.h"

using namespace hindscan;

namespace {

void put(RecordingFs& fs, const std::string& path, std::string_view text) {
  write_file_synced(fs, path, {as_bytes(text)});
}

RecordingFs disk(std::string_view manifest, std::string_view train) {
  RecordingFs fs;
  fs.mkdir("run");
  fs.mkdir("run/ckpt-0000003");
  put(fs, "run/ckpt-0000003/MANIFEST.json", manifest);
  put(fs, "run/ckpt-0000003/train.json", train);
  return fs;
}

// Options that were accepted are written and read back the same; ranges may be refused as they are on the command line.
void check_meta(const Checkpoint& checkpoint) {
  TrainOptions options = checkpoint_options(checkpoint);
  const Json again = to_json(options);
  require(to_json(train_options_from_json(again, "again")) == again);
  try {
    options.out = "run";
    options.check_ranges();
    require(options.steps >= 0 && options.sequences >= 1 && options.length >= 1 && options.streams() >= 1);
  } catch (const Error& e) {
    require(e.code() == ErrorCode::kUsage);
  }
  checkpoint_data_hash(checkpoint);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input = as_text(data, size);
  const size_t end = input.find('\0');
  if (end != std::string_view::npos) {
    RecordingFs fs = disk(input.substr(0, end), input.substr(end + 1));
    try {
      check_meta(load_checkpoint(fs, "run", 3));
    } catch (const Error& e) {
      require(e.code() == ErrorCode::kData || e.code() == ErrorCode::kResource || e.code() == ErrorCode::kNotFound);
    }
    return 0;
  }
  const Json file = Json::object().set("name", "train.json").set("bytes", size).set("xxh64", hash_hex(xxh64(input)));
  RecordingFs fs = disk(to_string(Json::object().set("step", 3).set("files", Json::array().push(file))), input);
  allow_refusal([&] { check_meta(load_checkpoint(fs, "run", 3)); });
  return 0;
}
