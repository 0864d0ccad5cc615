#include "model/weights_hash.h"

#include <algorithm>
#include <utility>

#include "base/formats.h"
#include "base/hash.h"
#include "model/config_json.h"
#include "model/model.h"

namespace hindscan {
namespace {

constexpr const char* kFormatKey = "hindscan.format";
constexpr const char* kWeightsKey = "hindscan.weights";
constexpr size_t kParallelBytes = size_t{1} << 24;

struct Part {
  std::string name;
  TensorDType dtype;
  std::vector<uint64_t> shape;
  std::span<const uint8_t> bytes;
};

std::string marked(uint64_t hash) { return "xxh64:" + hash_hex(hash); }

std::string hash_of(std::vector<Part> parts) {
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.name < b.name; });
  const auto n = static_cast<int64_t>(parts.size());
  std::vector<uint64_t> hashes(parts.size());
  size_t total = 0;
  for (const Part& p : parts) total += p.bytes.size();
#pragma omp parallel for schedule(dynamic) if (total > kParallelBytes)
  for (int64_t i = 0; i < n; ++i) hashes[static_cast<size_t>(i)] = xxh64(parts[static_cast<size_t>(i)].bytes);
  std::string lines;
  for (size_t i = 0; i < parts.size(); ++i) {
    lines += fmt::format("{} {} [{}] {}\n", parts[i].name, tensor_dtype_name(parts[i].dtype),
                         fmt::join(parts[i].shape, ","), hash_hex(hashes[i]));
  }
  return marked(xxh64(lines));
}

}  // namespace

std::string weights_hash(const WeightTable& weights) {
  std::vector<Part> parts;
  for (size_t k = 0; k < weights.size(); ++k) {
    const Weight& w = weights[k];
    if (w.size() == 0) continue;  // declared, and not used
    parts.push_back({w.name,
                     tensor_dtype_of(w.dtype),
                     {w.shape.begin(), w.shape.end()},
                     {static_cast<const uint8_t*>(w.data), static_cast<size_t>(w.size()) * dtype_size(w.dtype)}});
  }
  return hash_of(std::move(parts));
}

std::string weights_hash(const TensorStore& files) {
  std::vector<Part> parts;
  for (const std::string& name : files.names()) {
    const TensorStore::Entry e = files.find(name);
    parts.push_back({name, e.info->dtype, e.info->shape, e.bytes});
  }
  return hash_of(std::move(parts));
}

std::string model_hash(const Model& model) {
  return marked(xxh64(model.weights_hash() + to_string(config_to_json(model.arch().hf_config()))));
}

CheckedHash check_weights_hash(const TensorStore& files) {
  const std::string format = files.metadata(kFormatKey), said = files.metadata(kWeightsKey);
  if (!format.empty()) format::expect(files.label(), format::kModel, format);
  if (said.empty()) return {};
  const std::string found = weights_hash(files);
  check(said == found, ErrorCode::kData,
        "[{}] expected weights of hash {}, as the file says, found {}: damaged, or changed after it was written; fetch "
        "it again, or save the changed tensors without {}",
        files.label(), said, found, kWeightsKey);
  return {found, files.names()};
}

bool is_as_checked(const WeightTable& weights, const TensorStore& files, const CheckedHash& checked) {
  if (checked.text.empty() || checked.names != files.names()) return false;
  size_t used = 0;
  for (size_t k = 0; k < weights.size(); ++k) {
    const Weight& w = weights[k];
    if (w.size() == 0) continue;
    const TensorStore::Entry e = files.find(w.name);
    if (!e || e.info->dtype != tensor_dtype_of(w.dtype) ||
        !std::equal(w.shape.begin(), w.shape.end(), e.info->shape.begin(), e.info->shape.end(),
                    [](int64_t a, uint64_t b) { return std::cmp_equal(a, b); }))
      return false;
    ++used;
  }
  return used == files.size();
}

std::string KnownHash::of(const WeightTable& weights) {
  const std::lock_guard lock(mutex_);
  if (!text_) text_ = weights_hash(weights);
  return *text_;
}

void KnownHash::set(std::string text) {
  const std::lock_guard lock(mutex_);
  text_ = std::move(text);
}

void KnownHash::forget() {
  const std::lock_guard lock(mutex_);
  text_.reset();
}

std::vector<std::pair<std::string, std::string>> model_metadata(const std::string& hash) {
  return {{"format", "pt"}, {kFormatKey, format::kModel}, {kWeightsKey, hash}};
}

}  // namespace hindscan
