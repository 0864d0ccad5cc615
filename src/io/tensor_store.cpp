#include "io/tensor_store.h"

#include <cstring>
#include <set>

#include "base/counted.h"
#include "base/error.h"
#include "io/json.h"
#include "io/rwkv_bin.h"
#include "io/torch_file.h"
#include "kernels/dtype.h"

namespace hindscan {
namespace {

template <class File>
void add_file(TensorStore& store, File file) {
  auto owner = std::make_shared<const File>(std::move(file));
  for (const TensorInfo& info : owner->tensors()) store.add(info, owner->bytes(info));
  store.keep(std::move(owner));
}

bool exists(const std::string& path) { return real_fs().kind(path) != FileKind::kNone; }

void add_torch_shards(TensorStore& store, const std::string& dir, const std::string& index) {
  const auto weight_map = parse_safetensors_index(read_file(index, kJsonBytes), index, ".bin");
  std::map<std::string, std::set<std::string>> shards;  // file -> its tensors by the index
  for (const auto& [tensor, file] : weight_map) shards[file].insert(tensor);
  for (const auto& [file, tensors] : shards) {
    TorchFile shard = TorchFile::open(join_path(dir, file));
    for (const TensorInfo& info : shard.tensors()) {
      check(tensors.contains(info.name), ErrorCode::kData,
            "[{}] expected every tensor of '{}' in weight_map, found '{}' missing", index, file, info.name);
    }
    check(shard.tensors().size() == tensors.size(), ErrorCode::kData, "[{}] expected {} in '{}', found {}", index,
          counted(tensors.size(), "tensor"), file, shard.tensors().size());
    add_file(store, std::move(shard));
  }
}

}  // namespace

TensorStore TensorStore::open_dir(const std::string& dir) {
  TensorStore store(dir);
  const std::string torch = join_path(dir, "pytorch_model.bin"),
                    torch_index = join_path(dir, "pytorch_model.bin.index.json");
  const bool safe =
      exists(join_path(dir, "model.safetensors")) || exists(join_path(dir, "model.safetensors.index.json"));
  if (!safe && exists(torch)) {
    add_file(store, TorchFile::open(torch));
  } else if (!safe && exists(torch_index)) {
    add_torch_shards(store, dir, torch_index);
  } else {
    auto set = std::make_shared<const SafetensorsSet>(SafetensorsSet::open_dir(dir));
    for (const auto& file : set->files()) {
      store.add_metadata(*file);
      for (const TensorInfo& info : file->tensors()) store.add(info, file->bytes(info));
    }
    store.keep(std::move(set));
  }
  return store;
}

TensorStore TensorStore::open_file(const std::string& path) {
  TensorStore store(path);
  FileBytes file = FileBytes::load(path);
  if (looks_like_rwkv_bin(file.bytes())) {
    store.format_ = Format::kRwkvBin;
    read_rwkv_bin(std::move(file), store);
  } else if (looks_like_torch(file.bytes())) {
    store.format_ = Format::kTorch;
    add_file(store, TorchFile::from_bytes(std::move(file), path));
  } else {
    SafetensorsFile safe = SafetensorsFile::from_bytes(std::move(file), path);
    store.add_metadata(safe);
    add_file(store, std::move(safe));
  }
  return store;
}

std::string TensorStore::metadata(const std::string& key) const {
  const auto it = metadata_.find(key);
  return it == metadata_.end() ? "" : it->second;
}

void TensorStore::add_metadata(const SafetensorsFile& file) {
  for (const auto& [key, value] : file.metadata()) metadata_.emplace(key, value);
}

TensorStore::Entry TensorStore::find(std::string_view name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? Entry{} : Entry{&it->second.info, it->second.bytes};
}

std::vector<std::string> TensorStore::names() const {
  std::vector<std::string> out;
  for (const auto& [name, item] : tensors_) out.push_back(name);
  return out;
}

void TensorStore::add(TensorInfo info, std::span<const uint8_t> bytes) {
  const std::string name = info.name;
  const bool fresh = tensors_.try_emplace(name, Item{std::move(info), bytes}).second;
  check(fresh, ErrorCode::kData, "[{}] expected each tensor once, found '{}' twice; one of them has to go", label_,
        name);
}

void TensorStore::add(TensorInfo info, std::vector<uint8_t> bytes) {
  const auto owner = std::make_shared<const std::vector<uint8_t>>(std::move(bytes));
  add(std::move(info), std::span<const uint8_t>(*owner));
  keep(owner);
}

void TensorStore::add_floats(std::string name, std::vector<uint64_t> shape, const std::vector<float>& values) {
  TensorInfo info;
  info.name = std::move(name);
  info.shape = std::move(shape);
  std::vector<uint8_t> bytes(values.size() * sizeof(float));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  add(std::move(info), std::move(bytes));
}

void TensorStore::rename(const std::string& from, const std::string& to) {
  if (from == to) return;
  auto node = tensors_.extract(from);
  check(!node.empty(), ErrorCode::kInternal, "[{}] expected a tensor '{}', found none", label_, from);
  TensorInfo info = std::move(node.mapped().info);
  info.name = to;
  add(std::move(info), node.mapped().bytes);
}

void TensorStore::replace(const std::string& name, std::vector<uint64_t> shape, const std::vector<float>& values) {
  erase(name);
  add_floats(name, std::move(shape), values);
}

std::vector<float> floats_of(const TensorStore::Entry& entry) {
  const size_t n = entry.info->elements();
  std::vector<float> out(n);
  const uint8_t* bytes = entry.bytes.data();
  const auto read = [&](auto element, auto convert) {
    for (size_t i = 0; i < n; ++i) {
      std::memcpy(&element, bytes + i * sizeof element, sizeof element);
      out[i] = convert(element);
    }
  };
  switch (entry.info->dtype) {
    case TensorDType::kF32:
      read(float{}, [](float v) { return v; });
      break;
    case TensorDType::kF64:
      read(double{}, [](double v) { return static_cast<float>(v); });
      break;
    case TensorDType::kBF16:
      read(uint16_t{}, bf16_to_float);
      break;
    case TensorDType::kF16:
      read(uint16_t{}, f16_to_float);
      break;
    default:
      fail(ErrorCode::kData, "[{}] expected a float tensor, found {}", entry.info->name,
           tensor_dtype_name(entry.info->dtype));
  }
  return out;
}

}  // namespace hindscan
