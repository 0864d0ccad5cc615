#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/budget.h"
#include "base/checked.h"
#include "base/counted.h"
#include "base/error.h"
#include "io/safetensors.h"
#include "io/safetensors_header.h"

namespace hindscan {
namespace {

constexpr size_t kMaxDTypeName = 16;
// A tensor is listed here, in the file's index and in the model's store.
constexpr uint64_t kTensorBytes = 3 * sizeof(TensorInfo) + 2 * 64, kTextBytes = 2 * sizeof(std::string);

struct DTypeRow {
  TensorDType dtype;
  const char* name;
  size_t size;
};
constexpr DTypeRow kDTypes[] = {{TensorDType::kF64, "F64", 8}, {TensorDType::kF32, "F32", 4},
                                {TensorDType::kF16, "F16", 2}, {TensorDType::kBF16, "BF16", 2},
                                {TensorDType::kI64, "I64", 8}, {TensorDType::kI32, "I32", 4},
                                {TensorDType::kI16, "I16", 2}, {TensorDType::kI8, "I8", 1},
                                {TensorDType::kU8, "U8", 1},   {TensorDType::kBool, "BOOL", 1}};

uint64_t read_length(std::span<const uint8_t> file, std::string_view label) {
  check(file.size() >= 8, ErrorCode::kData, "[{}] expected a safetensors file of at least 8 bytes, found {}", label,
        file.size());
  uint64_t n = 0;
  for (int i = 7; i >= 0; --i) n = n << 8 | file[static_cast<size_t>(i)];
  check(n <= limit::kSafetensorsHeader, ErrorCode::kData,
        "[{}] expected a header of at most {} bytes, found a length of {}", label, limit::kSafetensorsHeader, n);
  check(n <= file.size() - 8, ErrorCode::kData,
        "[{}] the file is {} shorter than its header promises (header of {} in a file of {}); "
        "download it again",
        label, counted(n - (file.size() - 8), "byte"), counted(n, "byte"), file.size());
  return n;
}

class LayoutParser {
 public:
  LayoutParser(std::string_view header, uint64_t data_begin, uint64_t file_size, std::string_view label)
      : scan_(header, label),
        label_(label),
        budget_(label, header.size()),
        data_begin_(data_begin),
        data_size_(file_size - data_begin) {}

  SafetensorsLayout parse() {
    scan_.expect('{');
    if (!scan_.accept('}')) {
      do {
        member();
      } while (scan_.accept(','));
      scan_.expect('}');
    }
    if (!scan_.at_end()) scan_.fail_here("only spaces after the header object");
    check_names();
    check_extents();
    return std::move(layout_);
  }

 private:
  void member() {
    std::string name = scan_.read_string(limit::kTensorName);
    scan_.expect(':');
    if (name == "__metadata__") {
      check(!have_metadata_, ErrorCode::kData, "[{}] expected one __metadata__, found two", label_);
      have_metadata_ = true;
      metadata();
      return;
    }
    budget_.count(layout_.tensors.size() + 1, limit::kTensors, "tensors");
    budget_.take(1, kTensorBytes + 3 * name.size(), "tensors");
    layout_.tensors.push_back(tensor(std::move(name)));
  }

  void metadata() {
    scan_.expect('{');
    if (scan_.accept('}')) return;
    do {
      std::string key = scan_.read_string(limit::kMetadata);
      scan_.expect(':');
      budget_.take(1, kTextBytes + key.size(), "texts of metadata");
      layout_.metadata.emplace_back(std::move(key), scan_.read_string(limit::kMetadata));
    } while (scan_.accept(','));
    scan_.expect('}');
    std::vector<std::string_view> keys;
    for (const auto& [key, value] : layout_.metadata) keys.push_back(key);
    require_distinct(keys, "metadata key");
  }

  TensorInfo tensor(std::string name) {
    TensorInfo info;
    info.name = std::move(name);
    bool have_dtype = false, have_shape = false, have_offsets = false;
    scan_.expect('{');
    do {
      const std::string key = scan_.read_string(limit::kTensorName);
      scan_.expect(':');
      bool& seen = key == "dtype" ? have_dtype : key == "shape" ? have_shape : have_offsets;
      check(key == "dtype" || key == "shape" || key == "data_offsets", ErrorCode::kData,
            "[{}] tensor '{}': expected dtype, shape and data_offsets, found key '{}'", label_, info.name, key);
      check(!seen, ErrorCode::kData, "[{}] tensor '{}': expected '{}' once, found it twice", label_, info.name, key);
      seen = true;
      if (key == "dtype") {
        read_dtype(info);
      } else if (key == "shape") {
        read_shape(info);
      } else {
        read_offsets(info);
      }
    } while (scan_.accept(','));
    scan_.expect('}');
    check(have_dtype && have_shape && have_offsets, ErrorCode::kData,
          "[{}] tensor '{}': expected dtype, shape and data_offsets, found fewer keys", label_, info.name);
    check_size(info);
    return info;
  }

  void read_dtype(TensorInfo& info) {
    const std::string text = scan_.read_string(kMaxDTypeName);
    const auto dtype = tensor_dtype_from_name(text);
    check(dtype.has_value(), ErrorCode::kData,
          "[{}] tensor '{}': expected dtype F64, F32, F16, BF16, I64, I32, I16, I8, U8 or BOOL, found '{}'", label_,
          info.name, text);
    info.dtype = *dtype;
  }

  void read_shape(TensorInfo& info) {
    scan_.expect('[');
    if (scan_.accept(']')) return;
    do {
      check(info.shape.size() < limit::kRank, ErrorCode::kData, "[{}] tensor '{}': expected at most {} dimensions",
            label_, info.name, limit::kRank);
      info.shape.push_back(scan_.read_unsigned());
    } while (scan_.accept(','));
    scan_.expect(']');
  }

  void read_offsets(TensorInfo& info) {
    scan_.expect('[');
    info.begin = scan_.read_unsigned();
    scan_.expect(',');
    info.end = scan_.read_unsigned();
    scan_.expect(']');
  }

  void check_size(const TensorInfo& info) const {
    Checked bytes = tensor_dtype_size(info.dtype);
    for (const uint64_t dim : info.shape) bytes = bytes * dim;
    check(bytes.ok(), ErrorCode::kData, "[{}] tensor '{}': the product of its shape exceeds 2^64 bytes", label_,
          info.name);
    check(info.begin <= info.end && info.end - info.begin == *bytes.value(), ErrorCode::kData,
          "[{}] tensor '{}': expected data_offsets spanning {} (shape and dtype), found [{}, {}]", label_, info.name,
          counted(*bytes.value(), "byte"), info.begin, info.end);
    check(info.end <= data_size_, ErrorCode::kData,
          "[{}] tensor '{}': the file is {} shorter than its header promises; download it again", label_, info.name,
          counted(info.end - data_size_, "byte"));
  }

  void require_distinct(std::vector<std::string_view>& names, std::string_view what) const {
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    check(twice == names.end(), ErrorCode::kData, "[{}] expected each {} once, found '{}' twice", label_, what,
          twice == names.end() ? std::string_view() : *twice);
  }

  void check_names() const {
    std::vector<std::string_view> names;
    for (const TensorInfo& info : layout_.tensors) names.push_back(info.name);
    require_distinct(names, "tensor");
  }

  // In order of their offsets the tensors must tile the data exactly: no overlap, hole or trailer to hide bytes in.
  void check_extents() {
    auto& tensors = layout_.tensors;
    std::stable_sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    uint64_t expected = 0;
    for (TensorInfo& info : tensors) {
      check(info.begin == expected, ErrorCode::kData, "[{}] tensor '{}': expected its data at offset {}, found {} ({})",
            label_, info.name, expected, info.begin, info.begin < expected ? "overlap" : "hole");
      expected = info.end;
      info.begin += data_begin_;  // both at most the file size: cannot overflow
      info.end += data_begin_;
    }
    check(expected == data_size_, ErrorCode::kData, "[{}] expected {} of tensor data, found {}", label_,
          counted(expected, "byte"), data_size_);
  }

  HeaderScanner scan_;
  std::string_view label_;
  Budget budget_;
  uint64_t data_begin_, data_size_;
  SafetensorsLayout layout_;
  bool have_metadata_ = false;
};

}  // namespace

const char* tensor_dtype_name(TensorDType dtype) { return kDTypes[static_cast<size_t>(dtype)].name; }

TensorDType tensor_dtype_of(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return TensorDType::kF64;
    case DType::kBF16:
      return TensorDType::kBF16;
    case DType::kF16:
      return TensorDType::kF16;
    case DType::kF32:
      break;
  }
  return TensorDType::kF32;
}

size_t tensor_dtype_size(TensorDType dtype) { return kDTypes[static_cast<size_t>(dtype)].size; }

std::optional<TensorDType> tensor_dtype_from_name(std::string_view name) {
  for (const DTypeRow& row : kDTypes) {
    if (name == row.name) return row.dtype;
  }
  return std::nullopt;
}

uint64_t TensorInfo::elements() const {
  return std::accumulate(shape.begin(), shape.end(), uint64_t{1}, [](uint64_t a, uint64_t b) { return a * b; });
}

SafetensorsLayout parse_safetensors(std::span<const uint8_t> file, std::string_view label) {
  const uint64_t n = read_length(file, label);
  const std::string_view header(reinterpret_cast<const char*>(file.data()) + 8, n);
  return LayoutParser(header, 8 + n, file.size(), label).parse();
}

}  // namespace hindscan
