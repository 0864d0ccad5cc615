#include "train/labelled_arrays.h"

#include <cmath>
#include <cstring>
#include <set>

#include "base/budget.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mmap.h"
#include "io/npy.h"
#include "train/label_kinds.h"

namespace hindscan {
namespace {

template <class T>
T element(const NpyArray& a, size_t i) {
  T v;
  std::memcpy(&v, a.bytes.data() + i * sizeof v, sizeof v);
  return v;
}

uint64_t elements(const NpyArray& a) {
  uint64_t n = 1;
  for (const uint64_t d : a.shape) n *= d;
  return n;
}

std::string label_at(const NpyArray& a, size_t i) {
  switch (a.type) {
    case NpyType::kFloat32:
      return fmt::format("{}", element<float>(a, i));
    case NpyType::kFloat64:
      return fmt::format("{}", element<double>(a, i));
    case NpyType::kInt32:
      return std::to_string(element<int32_t>(a, i));
    case NpyType::kInt64:
      return std::to_string(element<int64_t>(a, i));
    case NpyType::kUint8:
      return std::to_string(element<uint8_t>(a, i));
    case NpyType::kText:  // parse_npy refuses it
      break;
  }
  return {};
}

}  // namespace

LabelledRows read_label_array(const LabelledFiles& files, const std::string& content) {
  const NpyArray a = parse_npy(as_bytes(content), files.labels);
  check(a.shape.size() == 1 || a.shape.size() == 2, ErrorCode::kData,
        "[{}] expected labels of shape [N] or [N, numbers], found [{}]", files.labels, fmt::join(a.shape, ", "));
  LabelledRows out;
  out.outputs = a.shape.size() == 2 ? static_cast<int64_t>(a.shape[1]) : 1;
  check(out.outputs >= 1, ErrorCode::kData, "[{}] expected at least one label a sequence, found none", files.labels);
  for (size_t i = 0; i < elements(a); ++i) out.labels.push_back(label_at(a, i));
  const bool real = a.type == NpyType::kFloat32 || a.type == NpyType::kFloat64;
  const std::set<std::string_view> values(out.labels.begin(), out.labels.end());
  out.fractional = real && (values.size() > 2 || out.outputs > 1 || are_fractional(out.labels));
  for (size_t i = 0; i < a.shape[0]; ++i) out.lines.push_back(static_cast<int64_t>(i) + 1);
  return out;
}

FeatureArray read_features(const std::string& file, const std::string& name) {
  const std::string& path = name.empty() ? file : name;
  Budget budget = Budget::of_machine(path);
  const std::string content = read_file(file, budget.left());
  const NpyArray a = parse_npy(as_bytes(content), path);
  const size_t rank = a.shape.size();
  check(rank == 2 || rank == 3, ErrorCode::kData,
        "[{}] expected features of shape [sequences, tokens, numbers] or [sequences, numbers], found [{}]; "
        "sequences of different lengths go into separate files",
        path, fmt::join(a.shape, ", "));
  check(elements(a) > 0, ErrorCode::kData, "[{}] expected features, found an empty array [{}]", path,
        fmt::join(a.shape, ", "));
  const bool known = a.type == NpyType::kFloat32 || a.type == NpyType::kFloat64 || a.type == NpyType::kUint8;
  check(known, ErrorCode::kData, "[{}] expected features of type float32, float64 or uint8, found integers", path);
  FeatureArray out;
  out.count = static_cast<int64_t>(a.shape[0]);
  out.length = rank == 3 ? static_cast<int64_t>(a.shape[1]) : 1;
  out.dim = static_cast<int64_t>(a.shape[rank - 1]);
  budget.take(elements(a), sizeof(float), "numbers");
  out.values.resize(elements(a));
  for (size_t i = 0; i < out.values.size(); ++i) {
    float v = 0;
    if (a.type == NpyType::kFloat32) v = element<float>(a, i);
    if (a.type == NpyType::kFloat64) v = static_cast<float>(element<double>(a, i));
    if (a.type == NpyType::kUint8) v = element<uint8_t>(a, i);
    check(std::isfinite(v), ErrorCode::kData, "[{}] expected finite numbers, found {} in sequence {}", path, v,
          i / (out.values.size() / a.shape[0]) + 1);
    out.values[i] = v;
  }
  return out;
}

}  // namespace hindscan
