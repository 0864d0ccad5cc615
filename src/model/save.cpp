// Writing Hugging Face directories: config.json, model.safetensors or shards with an index, tokenizer.json.
#include "io/safetensors.h"
#include "model/config_json.h"
#include "model/model.h"

namespace hindscan {

namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

const char* torch_name(DType t) {
  switch (t) {
    case DType::kF64:
      return "float64";
    case DType::kBF16:
      return "bfloat16";
    case DType::kF16:
      return "float16";
    case DType::kF32:
      break;
  }
  return "float32";
}

std::vector<TensorToWrite> tensors_of(const WeightTable& table) {
  std::vector<TensorToWrite> out;
  for (size_t k = 0; k < table.size(); ++k) {
    const Weight& w = table[k];
    if (w.size() == 0) continue;  // declared, and not used
    const size_t bytes = static_cast<size_t>(w.size()) * dtype_size(w.dtype);
    out.push_back({w.name,
                   tensor_dtype_of(w.dtype),
                   {w.shape.begin(), w.shape.end()},
                   {static_cast<const uint8_t*>(w.data), bytes}});
  }
  return out;
}

// Consecutive tensors until a shard is full; a tensor larger than a shard has one of its own.
std::vector<std::vector<TensorToWrite>> cut(std::vector<TensorToWrite> tensors, uint64_t shard_bytes) {
  std::vector<std::vector<TensorToWrite>> shards(1);
  uint64_t filled = 0;
  for (TensorToWrite& t : tensors) {
    if (filled > 0 && filled + t.bytes.size() > shard_bytes) {
      shards.emplace_back();
      filled = 0;
    }
    filled += t.bytes.size();
    shards.back().push_back(std::move(t));
  }
  return shards;
}

void unlink_if_there(Fs& fs, const std::string& path) {
  if (fs.kind(path) == FileKind::kRegular) fs.unlink(path);
}

// The index comes last: a directory without it is not yet a sharded model.
void write_shards(Fs& fs, const std::string& directory, std::vector<std::vector<TensorToWrite>> shards,
                  const std::string& hash) {
  Json map = Json::object();
  uint64_t total = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    for (const TensorToWrite& t : shards[i]) {
      map.set(t.name, name);
      total += t.bytes.size();
    }
    write_safetensors(fs, join_path(directory, name), std::move(shards[i]), model_metadata(hash));
  }
  Json index = Json::object();
  index.set("metadata", Json::object().set("total_size", total)).set("weight_map", std::move(map));
  write_file_atomic(fs, join_path(directory, kIndex), to_string(index, {.indent = 2}) + "\n");
  unlink_if_there(fs, join_path(directory, kSingle));
}

// A number where there is one, as most publishers write it.
void set_end_ids(const std::vector<int32_t>& ids, Config& config) {
  if (ids.size() == 1)
    config.set("eos_token_id", int64_t{ids[0]});
  else
    config.set_list("eos_token_id", std::vector<int64_t>(ids.begin(), ids.end()));
}

}  // namespace

void Model::save(const std::string& directory, DType dtype, uint64_t shard_bytes) const {
  Fs& fs = real_fs();
  make_dirs(fs, directory);
  const Model stored = to(dtype);
  const std::string hash = stored.weights_hash();
  std::vector<std::vector<TensorToWrite>> shards = cut(tensors_of(stored.weights()), shard_bytes);
  if (shards.size() > 1) {
    write_shards(fs, directory, std::move(shards), hash);
  } else {
    write_safetensors(fs, join_path(directory, kSingle), std::move(shards[0]), model_metadata(hash));
    unlink_if_there(fs, join_path(directory, kIndex));
  }
  Config config = arch_->hf_config();
  if (!generation_.end_ids.empty()) set_end_ids(generation_.end_ids, config);
  config.set("torch_dtype", std::string(torch_name(dtype)));
  write_file_atomic(fs, join_path(directory, "config.json"), to_string(config_to_json(config), {.indent = 2}) + "\n");
  if (tokenizer_ != nullptr) write_file_atomic(fs, join_path(directory, "tokenizer.json"), tokenizer_json_);
}

}  // namespace hindscan
