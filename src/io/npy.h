// NumPy arrays: .npy and stored (uncompressed) .npz writers, and a strict .npy reader.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fs.h"

namespace hindscan {

enum class NpyType { kFloat32, kFloat64, kInt32, kInt64, kUint8, kText };

// A view of C-ordered data; the bytes must outlive it.
struct NpyArray {
  std::string name;  // member name inside an npz, without ".npy"
  NpyType type = NpyType::kFloat32;
  std::vector<uint64_t> shape;
  std::span<const uint8_t> bytes;
};

NpyArray npy_array(std::string name, std::vector<uint64_t> shape, std::span<const float> data);
NpyArray npy_array(std::string name, std::vector<uint64_t> shape, std::span<const double> data);
NpyArray npy_array(std::string name, std::vector<uint64_t> shape, std::span<const int32_t> data);
NpyArray npy_text(std::string name, const std::u32string& text);  // a string as NumPy has it, "<U"; not empty

void write_npy(Fs& fs, const std::string& path, const NpyArray& array);
// At most 4 GiB and 65,535 arrays (no zip64): more is an Error(kResource).
void write_npz(Fs& fs, const std::string& path, const std::vector<NpyArray>& arrays);

// The text named `name` of an .npz file; empty where there is none or it is no text. Error(kData) for a damaged file.
std::string npz_text(std::span<const uint8_t> file, std::string_view name, std::string_view label);

// The result views `file`. Little-endian, C order, the types above; anything else is an Error(kData).
NpyArray parse_npy(std::span<const uint8_t> file, std::string_view label);

}  // namespace hindscan
