// Reading of tests/golden/*.safetensors.
#pragma once
#include <gtest/gtest.h>
#include <hindscan_paths.h>

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/testing/compare.h"
#include "io/safetensors.h"

namespace hindscan::testing {

inline std::string golden_path(const std::string& file) {
  return std::string(HINDSCAN_SOURCE_DIR) + "/tests/golden/" + file;
}

class GoldenFile {
 public:
  explicit GoldenFile(const std::string& file) : file_(SafetensorsFile::open(golden_path(file))) {}

  bool has(const std::string& name) const { return file_.find(name) != nullptr; }
  const std::vector<TensorInfo>& tensors() const { return file_.tensors(); }
  const std::string& metadata() const { return file_.metadata().at(0).second; }  // the JSON of the entry "golden"

  // F32 and F64 tensors as R.
  template <class R>
  std::vector<R> reals(const std::string& name) const {
    return info(name).dtype == TensorDType::kF32 ? values<float, R>(name, TensorDType::kF32)
                                                 : values<double, R>(name, TensorDType::kF64);
  }
  std::vector<int32_t> ids(const std::string& name) const { return values<int64_t, int32_t>(name, TensorDType::kI64); }
  std::vector<int64_t> shape(const std::string& name) const {
    const TensorInfo& tensor = info(name);
    return {tensor.shape.begin(), tensor.shape.end()};
  }

 private:
  const TensorInfo& info(const std::string& name) const {
    const TensorInfo* found = file_.find(name);
    check(found != nullptr, ErrorCode::kNotFound, "[{}] expected a tensor {}; run tools/golden again", file_.path(),
          name);
    return *found;
  }
  template <class Stored, class R>
  std::vector<R> values(const std::string& name, TensorDType dtype) const {
    const TensorInfo& tensor = info(name);
    check(tensor.dtype == dtype, ErrorCode::kData, "[{}] {} has an unexpected type", file_.path(), name);
    std::vector<Stored> stored(tensor.elements());
    std::memcpy(stored.data(), file_.bytes(tensor).data(), stored.size() * sizeof(Stored));
    std::vector<R> out(stored.size());
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<R>(stored[i]);
    return out;
  }
  SafetensorsFile file_;
};

}  // namespace hindscan::testing
