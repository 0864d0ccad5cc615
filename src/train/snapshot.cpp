// Trainer <-> the files of a checkpoint.
#include <cstring>

#include "base/counted.h"
#include "base/error.h"
#include "base/formats.h"
#include "base/hash.h"
#include "io/json_reader.h"
#include "io/safetensors.h"
#include "model/config_json.h"
#include "model/weights_hash.h"
#include "train/trainer.h"

namespace hindscan {
namespace {

std::span<const uint8_t> float_bytes(const void* data, int64_t count) {
  return {static_cast<const uint8_t*>(data), static_cast<size_t>(count) * sizeof(float)};
}

std::vector<uint64_t> file_shape(const std::vector<int64_t>& shape) { return {shape.begin(), shape.end()}; }

CheckpointFile tensor_file(const std::string& name, std::vector<TensorToWrite> tensors) {
  CheckpointFile file{name, safetensors_header(tensors, {{"format", "pt"}})};
  for (const TensorToWrite& t : tensors)
    file.bytes.append(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size());
  return file;
}

class TensorReader {
 public:
  TensorReader(const Checkpoint& checkpoint, const std::string& name)
      : label_(join_path(checkpoint.path, name)), bytes_(as_bytes(checkpoint.file(name))) {
    layout_ = parse_safetensors(bytes_, label_);
  }
  const std::vector<TensorInfo>& tensors() const { return layout_.tensors; }
  std::span<const uint8_t> bytes(const TensorInfo& t) const { return bytes_.subspan(t.begin, t.end - t.begin); }
  void read(const std::string& name, const std::vector<int64_t>& shape, void* to) const {
    for (const TensorInfo& t : layout_.tensors) {
      if (t.name != name) continue;
      check(t.dtype == TensorDType::kF32 && t.shape == file_shape(shape), ErrorCode::kData,
            "[{}] expected {} to be F32 [{}], found {} [{}]", label_, name, fmt::join(shape, ", "),
            tensor_dtype_name(t.dtype), fmt::join(t.shape, ", "));
      if (t.end > t.begin) std::memcpy(to, bytes(t).data(), t.end - t.begin);
      return;
    }
    fail(ErrorCode::kData, "[{}] expected a tensor {}, found none", label_, name);
  }
  const std::string& label() const { return label_; }

 private:
  std::string label_;
  std::span<const uint8_t> bytes_;
  SafetensorsLayout layout_;
};

CheckpointFile states_file(const std::vector<SequenceState>& states) {
  std::vector<TensorToWrite> tensors;
  for (size_t s = 0; s < states.size(); ++s) {
    for (const auto& [name, slot] : states[s].slots()) {
      tensors.push_back({fmt::format("{}/{}", s, name),
                         TensorDType::kF32,
                         file_shape(slot.shape),
                         {reinterpret_cast<const uint8_t*>(slot.bytes.data()), slot.bytes.size()}});
    }
  }
  return tensor_file("states.safetensors", std::move(tensors));
}

void restore_states(const Checkpoint& checkpoint, const std::vector<int64_t>& tokens,
                    std::vector<SequenceState>& states) {
  const TensorReader file(checkpoint, "states.safetensors");
  for (size_t s = 0; s < states.size(); ++s) {
    states[s].clear();
    states[s].tokens = tokens[s];
  }
  for (const TensorInfo& t : file.tensors()) {
    const size_t slash = t.name.find('/');
    size_t stream = 0;
    for (size_t i = 0; i < std::min(slash, t.name.size()); ++i)
      stream = stream * 10 + static_cast<size_t>(t.name[i] - '0');
    check(slash != std::string::npos && stream < states.size() && t.dtype == TensorDType::kF32, ErrorCode::kData,
          "[{}] expected F32 tensors of {}, found {}", file.label(), counted(states.size(), "stream"), t.name);
    void* to = states[stream].put(t.name.substr(slash + 1), {t.shape.begin(), t.shape.end()}, DType::kF32);
    if (t.end > t.begin) std::memcpy(to, file.bytes(t).data(), t.end - t.begin);
  }
}

Json read_meta(const Checkpoint& checkpoint) {
  return parse_json(checkpoint.file("train.json"), join_path(checkpoint.path, "train.json"));
}

JsonReader meta_reader(const Json& meta, const Checkpoint& checkpoint) {
  JsonReader reader(meta, join_path(checkpoint.path, "train.json"));
  format::expect(checkpoint.path, format::kCheckpoint, reader.get_string("version"));
  return reader;
}

}  // namespace

std::vector<CheckpointFile> Trainer::snapshot() const {
  std::vector<TensorToWrite> model, optimizer;
  const WeightTable& weights = model_.weights();
  for (size_t i = 0; i < weights.size(); ++i) {
    const Weight& w = weights[i];
    model.push_back({w.name, TensorDType::kF32, file_shape(w.shape), float_bytes(w.data, w.size())});
    optimizer.push_back(
        {"m." + w.name, TensorDType::kF32, file_shape(w.shape), float_bytes(optimizer_.m[i].data(), w.size())});
    optimizer.push_back(
        {"v." + w.name, TensorDType::kF32, file_shape(w.shape), float_bytes(optimizer_.v[i].data(), w.size())});
  }
  Json state_tokens = Json::array();
  for (const SequenceState& s : states_) state_tokens.push(s.tokens);
  // Random numbers are counter-based, keyed by seed and step: these two are all streams and the data cursor.
  Json meta = Json::object()
                  .set("version", format::kCheckpoint)
                  .set("weights", weights_hash(weights))
                  .set("step", step_)
                  .set("rng", Json::object().set("seed", options_.seed).set("step", step_))
                  .set("updates", optimizer_.updates)
                  .set("tokens", tokens_)
                  .set("skipped", skipped_)
                  .set("skipped_in_row", skipped_in_row_)
                  .set("state_tokens", state_tokens)
                  .set("data_hash", hash_hex(source_->hash()))
                  .set("options_hash", hash_hex(arithmetic_hash(options_)))
                  .set("options", to_json(options_))
                  .set("architecture", config_to_json(model_.arch().hf_config()));
  std::vector<CheckpointFile> files;
  files.push_back(tensor_file("model.safetensors", std::move(model)));
  files.push_back(tensor_file("optim.safetensors", std::move(optimizer)));
  files.push_back(states_file(states_));
  files.push_back({"config.json", to_string(config_to_json(model_.arch().hf_config()), {.indent = 2}) + "\n"});
  if (model_.has_tokenizer()) files.push_back({"tokenizer.json", model_.tokenizer_json()});
  files.push_back({"train.json", to_string(meta, {.indent = 1}) + "\n"});
  return files;
}

void Trainer::restore(const Checkpoint& checkpoint) {
  const Json meta = read_meta(checkpoint);
  const JsonReader reader = meta_reader(meta, checkpoint);
  check(reader.get_string("data_hash") == hash_hex(source_->hash()), ErrorCode::kData,
        "[{}] expected the data the run began with (hash {}), found other data (hash {}); restore the files or begin a "
        "new "
        "run from the model",
        checkpoint.path, reader.get_string("data_hash"), hash_hex(source_->hash()));
  const std::vector<int64_t> state_tokens = reader.get_ints("state_tokens", 0);
  check(state_tokens.size() == states_.size(), ErrorCode::kData, "[{}] expected {}, found {}", checkpoint.path,
        counted(states_.size(), "stream"), state_tokens.size());
  restore_weights(checkpoint, model_.weights());
  const TensorReader optimizer(checkpoint, "optim.safetensors");
  const WeightTable& weights = model_.weights();
  for (size_t i = 0; i < weights.size(); ++i) {
    const Weight& w = weights[i];
    optimizer.read("m." + w.name, w.shape, optimizer_.m[i].data());
    optimizer.read("v." + w.name, w.shape, optimizer_.v[i].data());
  }
  restore_states(checkpoint, state_tokens, states_);
  step_ = reader.get_int("step", 0);
  optimizer_.updates = reader.get_int("updates", 0);
  tokens_ = reader.get_int_or("tokens", step_ * options_.streams() * options_.length, 0);
  skipped_ = reader.get_int("skipped", 0);
  skipped_in_row_ = reader.get_int("skipped_in_row", 0);
}

void restore_weights(const Checkpoint& checkpoint, WeightTable& weights) {
  const TensorReader model(checkpoint, "model.safetensors");
  for (size_t i = 0; i < weights.size(); ++i) model.read(weights[i].name, weights[i].shape, weights[i].data);
  const Json meta = read_meta(checkpoint);
  const std::string found = weights_hash(weights);
  const std::string said = meta_reader(meta, checkpoint).get_string_or("weights", found);  // since version 2
  check(said == found, ErrorCode::kData, "[{}] expected weights of hash {}, found {}; resume from an older checkpoint",
        checkpoint.path, said, found);
  weights.refresh_bf16();
}

TrainOptions checkpoint_options(const Checkpoint& checkpoint) {
  const Json meta = read_meta(checkpoint);
  const JsonReader reader = meta_reader(meta, checkpoint);
  return train_options_from_json(reader.get_object("options").value(), join_path(checkpoint.path, "train.json"));
}

std::string checkpoint_data_hash(const Checkpoint& checkpoint) {
  const Json meta = read_meta(checkpoint);
  return meta_reader(meta, checkpoint).get_string("data_hash");
}

Config checkpoint_config(const Checkpoint& checkpoint) {
  const std::string path = join_path(checkpoint.path, "config.json");
  return parse_config(checkpoint.file("config.json"), path);
}

}  // namespace hindscan
