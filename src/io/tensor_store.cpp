#include "io/tensor_store.h"

#include <cstring>
#include <set>

#include "base/error.h"
#include "kernels/dtype.h"

namespace hindscan {
namespace {

template <class File>
void add_file(TensorStore& store, File file) {
  auto owner = std::make_shared<const File>(std::move(file));
  for (const TensorInfo& info : owner->tensors()) store.add(info, owner->bytes(info));
  store.keep(std::move(owner));
}

}  // namespace

TensorStore TensorStore::open_dir(const std::string& dir) {
  TensorStore store(dir);
  auto set = std::make_shared<const SafetensorsSet>(SafetensorsSet::open_dir(dir));
  for (const auto& file : set->files()) {
    for (const TensorInfo& info : file->tensors()) store.add(info, file->bytes(info));
  }
  store.keep(std::move(set));
  return store;
}

TensorStore TensorStore::open_file(const std::string& path) {
  TensorStore store(path);
  add_file(store, SafetensorsFile::open(path));
  return store;
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
  check(fresh, ErrorCode::kData, "[{}] expected each tensor once, found '{}' twice; one of them has to go", label_, name);
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
    case TensorDType::kF32: read(float{}, [](float v) { return v; }); break;
    case TensorDType::kF64: read(double{}, [](double v) { return static_cast<float>(v); }); break;
    case TensorDType::kBF16: read(uint16_t{}, bf16_to_float); break;
    case TensorDType::kF16: read(uint16_t{}, f16_to_float); break;
    default:
      fail(ErrorCode::kData, "[{}] expected a float tensor, found {}", entry.info->name, tensor_dtype_name(entry.info->dtype));
  }
  return out;
}

}  // namespace hindscan
