// PyTorch checkpoints: the zip archives of torch.save, read without a pickle machine.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mmap.h"
#include "io/safetensors.h"

namespace hindscan {

// A view of a storage: element (i, j, ...) lies at begin + size * (i * stride[0] + j * stride[1] + ...).
struct TorchTensor {
  TensorInfo info;  // begin, end: the bytes of the file that the view touches, from its first element to its last
  std::vector<uint64_t> stride;  // in elements
  bool contiguous = true;        // row-major without gaps
};

// Validates everything before returning. A checkpoint that nests its weights ("state_dict", "model", ...) gives those;
// other nested tensors get dotted names. Anything but numbers, texts, lists, dicts and dense tensors is an
// Error(kData).
std::vector<TorchTensor> parse_torch(std::span<const uint8_t> file, std::string_view label, bool verify_crc = false);

// Whether these bytes begin like something torch.save wrote, of either kind (the older one is refused by parse_torch).
bool looks_like_torch(std::span<const uint8_t> file);

class TorchFile {
 public:
  static TorchFile open(const std::string& path, LoadMode mode = LoadMode::kRead, bool verify_crc = false);
  static TorchFile from_bytes(FileBytes file, const std::string& path, bool verify_crc = false);

  const std::vector<TensorInfo>& tensors() const { return infos_; }
  // Row-major: of the file itself, or gathered at opening when the view has other strides.
  std::span<const uint8_t> bytes(const TensorInfo& tensor) const;

 private:
  FileBytes file_;
  std::vector<TensorInfo> infos_;
  std::map<std::string, std::vector<uint8_t>, std::less<>> gathered_;
};

// The elements of a view, row-major.
std::vector<uint8_t> gather(std::span<const uint8_t> file, const TorchTensor& tensor);

}  // namespace hindscan
