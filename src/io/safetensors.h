// safetensors: strict reader of untrusted files, atomic writer, sharded directories.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fs.h"
#include "base/mmap.h"
#include "kernels/dtype.h"

namespace hindscan {

enum class TensorDType : uint8_t { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };

const char* tensor_dtype_name(TensorDType dtype);  // as in the file: "F32"
size_t tensor_dtype_size(TensorDType dtype);
std::optional<TensorDType> tensor_dtype_from_name(std::string_view name);
TensorDType tensor_dtype_of(DType dtype);

struct TensorInfo {
  std::string name;
  TensorDType dtype = TensorDType::kF32;
  std::vector<uint64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes, from the start of the file

  uint64_t elements() const;  // validated: cannot overflow
};

struct SafetensorsLayout {
  std::vector<TensorInfo> tensors;  // in file order
  std::vector<std::pair<std::string, std::string>> metadata;
};

// Validates everything that can be wrong before returning. Accepts only files without holes, overlaps or trailer.
SafetensorsLayout parse_safetensors(std::span<const uint8_t> file, std::string_view label);

class SafetensorsFile {
 public:
  static SafetensorsFile open(const std::string& path, LoadMode mode = LoadMode::kRead);
  static SafetensorsFile from_bytes(FileBytes file, const std::string& path);

  const std::vector<TensorInfo>& tensors() const { return layout_.tensors; }
  const TensorInfo* find(std::string_view name) const;  // nullptr when absent
  std::span<const uint8_t> bytes(const TensorInfo& tensor) const;
  const std::vector<std::pair<std::string, std::string>>& metadata() const { return layout_.metadata; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  FileBytes file_;
  SafetensorsLayout layout_;
  std::map<std::string, size_t, std::less<>> index_;
};

// model.safetensors, or the shards of model.safetensors.index.json, of one directory.
class SafetensorsSet {
 public:
  static SafetensorsSet open_dir(const std::string& dir, LoadMode mode = LoadMode::kRead);
  static SafetensorsSet open_file(const std::string& path, LoadMode mode = LoadMode::kRead);

  struct Entry {
    const TensorInfo* info = nullptr;
    std::span<const uint8_t> bytes;
    explicit operator bool() const { return info != nullptr; }
  };
  Entry find(std::string_view name) const;
  std::vector<std::string> names() const;  // sorted
  const std::vector<std::unique_ptr<SafetensorsFile>>& files() const { return files_; }

 private:
  void add(SafetensorsFile file);
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, std::pair<size_t, const TensorInfo*>, std::less<>> index_;
};

// tensor name -> bare file name of an index; names with '/', '..', NUL and the like are refused, and other endings.
std::map<std::string, std::string> parse_safetensors_index(std::string_view json, std::string_view label,
                                                           std::string_view ending = ".safetensors");

struct TensorToWrite {
  std::string name;
  TensorDType dtype = TensorDType::kF32;
  std::vector<uint64_t> shape;
  std::span<const uint8_t> bytes;
};

// Wide dtypes first, then by name, so that every tensor is aligned to its element; data starts 64-byte aligned.
void write_safetensors(Fs& fs, const std::string& path, std::vector<TensorToWrite> tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata = {});
// The header alone (length prefix and JSON), for writers with their own durability protocol; sorts `tensors`.
std::string safetensors_header(std::vector<TensorToWrite>& tensors,
                               const std::vector<std::pair<std::string, std::string>>& metadata);

}  // namespace hindscan
