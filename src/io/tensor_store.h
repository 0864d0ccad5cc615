// Named tensors of one checkpoint, whatever files they came from.
#pragma once
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/safetensors.h"

namespace hindscan {

class TensorStore {
 public:
  struct Entry {
    const TensorInfo* info = nullptr;
    std::span<const uint8_t> bytes;  // row-major, without gaps
    explicit operator bool() const { return info != nullptr; }
  };

  enum class Format { kSafetensors, kTorch, kRwkvBin };

  // model.safetensors, pytorch_model.bin, or the shards of either's index. Error(kNotFound) when there is none.
  static TensorStore open_dir(const std::string& dir);
  // A .safetensors file, a torch.save archive or an rwkv.cpp file, told apart by their first bytes.
  static TensorStore open_file(const std::string& path);

  Entry find(std::string_view name) const;
  std::vector<std::string> names() const;  // sorted
  bool empty() const { return tensors_.empty(); }
  Format format() const { return format_; }
  const std::string& label() const { return label_; }  // for messages: the directory or file

  explicit TensorStore(std::string label) : label_(std::move(label)) {}
  std::string metadata(const std::string& key) const;  // of safetensors files; empty when there is none
  void add_metadata(const SafetensorsFile& file);
  void add(TensorInfo info, std::span<const uint8_t> bytes);  // the bytes must live as long as what keep() was given
  void add(TensorInfo info, std::vector<uint8_t> bytes);      // owned; Error(kData) for a name that is taken
  void add_floats(std::string name, std::vector<uint64_t> shape, const std::vector<float>& values);
  void keep(std::shared_ptr<const void> owner) { owners_.push_back(std::move(owner)); }
  size_t size() const { return tensors_.size(); }
  void rename(const std::string& from, const std::string& to);  // Error(kData) when `to` is taken
  void erase(const std::string& name) { tensors_.erase(name); }
  void replace(const std::string& name, std::vector<uint64_t> shape, const std::vector<float>& values);

 private:
  struct Item {
    TensorInfo info;
    std::span<const uint8_t> bytes;
  };
  std::string label_;
  Format format_ = Format::kSafetensors;
  std::map<std::string, Item, std::less<>> tensors_;
  std::map<std::string, std::string> metadata_;
  std::vector<std::shared_ptr<const void>> owners_;
};

// Any float tensor as float, row-major. Error(kData) for integers.
std::vector<float> floats_of(const TensorStore::Entry& entry);

}  // namespace hindscan
