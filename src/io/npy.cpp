#include <utility>

#include "base/checked.h"
#include "base/error.h"
#include "io/npy_header.h"

namespace hindscan {
namespace {

constexpr size_t kAlignment = 64;

template <class T>
NpyArray make(std::string name, NpyType type, std::vector<uint64_t> shape, std::span<const T> data) {
  return {std::move(name), type, std::move(shape), {reinterpret_cast<const uint8_t*>(data.data()), data.size_bytes()}};
}

}  // namespace

NpyArray npy_array(std::string name, std::vector<uint64_t> shape, std::span<const float> data) {
  return make(std::move(name), NpyType::kFloat32, std::move(shape), data);
}
NpyArray npy_array(std::string name, std::vector<uint64_t> shape, std::span<const double> data) {
  return make(std::move(name), NpyType::kFloat64, std::move(shape), data);
}
NpyArray npy_array(std::string name, std::vector<uint64_t> shape, std::span<const int32_t> data) {
  return make(std::move(name), NpyType::kInt32, std::move(shape), data);
}

NpyArray npy_text(std::string name, const std::u32string& text) {
  return {std::move(name), NpyType::kText, {}, {reinterpret_cast<const uint8_t*>(text.data()), text.size() * 4}};
}

std::string npy_header(const NpyArray& array) {
  const bool text_type = array.type == NpyType::kText;
  Checked bytes = text_type ? array.bytes.size() : kNpyTypes[static_cast<size_t>(array.type)].size;
  std::string shape, descr = kNpyTypes[static_cast<size_t>(array.type)].descr;
  if (text_type) descr += std::to_string(array.bytes.size() / 4);
  for (const uint64_t dim : array.shape) {
    bytes = bytes * dim;
    shape += fmt::format("{},", dim);
  }
  check(bytes.value() == array.bytes.size(), ErrorCode::kInternal,
        "[write_npy] array '{}': expected as many bytes as shape ({}) says, found {}", array.name, shape,
        array.bytes.size());
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr, shape);
  text.resize(*checked_align(kNpyPrefix + text.size() + 1, kAlignment) - kNpyPrefix - 1, ' ');
  text += '\n';
  std::string header(kNpyMagic);
  header += {'\1', '\0', static_cast<char>(text.size() & 255u), static_cast<char>(text.size() >> 8)};
  return header + text;
}

void write_npy(Fs& fs, const std::string& path, const NpyArray& array) {
  const std::string header = npy_header(array);
  write_file_atomic(fs, path, ByteParts{as_bytes(header), array.bytes});
}

}  // namespace hindscan
