// Model files of rwkv.cpp: a header of sizes and tensors of 32 or 16 bit or in blocks of 5 bit numbers.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/mmap.h"
#include "io/tensor_store.h"

namespace hindscan {

struct RwkvBinTensor {
  enum class Type : uint8_t { kF32 = 0, kF16 = 1, kQ5_0 = 7, kQ5_1 = 8 } type = Type::kF32;
  std::string name;
  std::vector<uint64_t> shape;  // as PyTorch has it: the slowest dimension first
  uint64_t begin = 0, end = 0;  // bytes, from the start of the file
  uint64_t elements() const;
};

struct RwkvBinLayout {
  int64_t vocab_size = 0, d_model = 0, n_layer = 0;
  std::vector<RwkvBinTensor> tensors;
};

bool looks_like_rwkv_bin(std::span<const uint8_t> file);
// Validates everything before returning; Error(kData).
RwkvBinLayout parse_rwkv_bin(std::span<const uint8_t> file, std::string_view label);
std::vector<float> dequantise(std::span<const uint8_t> file, const RwkvBinTensor& tensor);

// Adds the tensors under the names and with the values of BlinkDL's checkpoints: what rwkv.cpp's converter did is
// undone.
void read_rwkv_bin(FileBytes file, TensorStore& store);

}  // namespace hindscan
