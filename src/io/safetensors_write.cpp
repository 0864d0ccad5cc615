#include <algorithm>

#include "base/checked.h"
#include "base/error.h"
#include "base/utf8.h"
#include "io/json.h"
#include "io/safetensors.h"

namespace hindscan {
namespace {

constexpr size_t kDataAlignment = 64;

void check_tensor(const TensorToWrite& t) {
  Checked bytes = tensor_dtype_size(t.dtype);
  for (const uint64_t dim : t.shape) bytes = bytes * dim;
  check(bytes.value() == t.bytes.size(), ErrorCode::kInternal,
        "[write_safetensors] tensor '{}': expected as many bytes as shape and dtype say, found {}", t.name,
        t.bytes.size());
  check(valid_utf8(t.name) && t.name != "__metadata__", ErrorCode::kInternal,
        "[write_safetensors] expected a tensor name in UTF-8 other than __metadata__");
}

Json describe(const TensorToWrite& t, uint64_t begin) {
  return Json::object()
      .set("dtype", tensor_dtype_name(t.dtype))
      .set("shape", Json(t.shape))
      .set("data_offsets", Json::array().push(begin).push(begin + t.bytes.size()));
}

}  // namespace

std::string safetensors_header(std::vector<TensorToWrite>& tensors,
                               const std::vector<std::pair<std::string, std::string>>& metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorToWrite& a, const TensorToWrite& b) {
    const size_t wide_a = tensor_dtype_size(a.dtype), wide_b = tensor_dtype_size(b.dtype);
    return wide_a != wide_b ? wide_a > wide_b : a.name < b.name;
  });
  Json::Object members;
  if (!metadata.empty()) {
    Json::Object strings;
    for (const auto& [key, value] : metadata) strings.push_back({key, Json(value)});
    members.push_back({"__metadata__", Json(std::move(strings))});
  }
  uint64_t offset = 0;
  std::vector<std::string_view> names;
  for (const TensorToWrite& t : tensors) {
    check_tensor(t);
    names.push_back(t.name);
    members.push_back({t.name, describe(t, offset)});
    offset += t.bytes.size();
  }
  std::sort(names.begin(), names.end());
  check(std::adjacent_find(names.begin(), names.end()) == names.end(), ErrorCode::kInternal,
        "[write_safetensors] expected each tensor name once, found one twice");
  std::string json = to_string(Json(std::move(members)));
  json.resize(*checked_align(8 + json.size(), kDataAlignment) - 8, ' ');
  std::string header;
  for (int i = 0; i < 8; ++i) header += static_cast<char>(json.size() >> (8 * i) & 255u);
  return header + json;
}

void write_safetensors(Fs& fs, const std::string& path, std::vector<TensorToWrite> tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata) {
  const std::string header = safetensors_header(tensors, metadata);
  ByteParts parts{as_bytes(header)};
  for (const TensorToWrite& t : tensors) parts.push_back(t.bytes);
  write_file_atomic(fs, path, parts);
}

}  // namespace hindscan
