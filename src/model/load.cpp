// Hugging Face directories: config.json, model.safetensors (or shards), tokenizer.json.
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "io/safetensors.h"
#include "model/config_json.h"
#include "model/model.h"

namespace hindscan {

namespace {

bool file_exists(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0;
}

std::optional<DType> float_type(TensorDType t) {
  switch (t) {
    case TensorDType::kF32: return DType::kF32;
    case TensorDType::kBF16: return DType::kBF16;
    case TensorDType::kF16: return DType::kF16;
    case TensorDType::kF64: return DType::kF64;
    default: return std::nullopt;
  }
}

double element(std::span<const uint8_t> bytes, DType type, int64_t i) {
  const uint8_t* at = bytes.data() + static_cast<size_t>(i) * dtype_size(type);
  if (type == DType::kF64) {
    double v;
    std::memcpy(&v, at, sizeof v);
    return v;
  }
  if (type == DType::kF32) {
    float v;
    std::memcpy(&v, at, sizeof v);
    return v;
  }
  uint16_t v;
  std::memcpy(&v, at, sizeof v);
  return type == DType::kBF16 ? bf16_to_float(v) : f16_to_float(v);
}

void store(Weight& w, std::span<const uint8_t> bytes, DType type) {
  if (type == w.dtype) {
    std::memcpy(w.data, bytes.data(), bytes.size());
    return;
  }
  for (int64_t i = 0; i < w.size(); ++i) {
    const double v = element(bytes, type, i);
    if (w.dtype == DType::kF64) static_cast<double*>(w.data)[i] = v;
    if (w.dtype == DType::kF32) static_cast<float*>(w.data)[i] = static_cast<float>(v);
    if (w.dtype == DType::kBF16) static_cast<uint16_t*>(w.data)[i] = float_to_bf16(static_cast<float>(v));
    if (w.dtype == DType::kF16) static_cast<uint16_t*>(w.data)[i] = float_to_f16(static_cast<float>(v));
  }
}

struct Match {
  Weight* weight;
  SafetensorsSet::Entry entry;
};

// Finds every declared weight under its name or an alias; collects all problems before anything is allocated.
std::vector<Match> match_weights(WeightTable& table, const SafetensorsSet& files, const std::string& label) {
  std::vector<Match> matches;
  std::vector<std::string> problems;
  std::set<std::string> used;
  for (size_t k = 0; k < table.size(); ++k) {
    Weight& w = table[k];
    std::vector<std::string> names = w.aliases;
    names.insert(names.begin(), w.name);
    SafetensorsSet::Entry found;
    for (const std::string& name : names) {
      const SafetensorsSet::Entry e = files.find(name);
      if (!e) continue;
      used.insert(name);
      const bool same_shape = std::equal(e.info->shape.begin(), e.info->shape.end(), w.shape.begin(), w.shape.end(),
                                         [](uint64_t a, int64_t b) { return a == static_cast<uint64_t>(b); });
      if (!same_shape) {
        problems.push_back(fmt::format("{} must be [{}] but is [{}]", name, fmt::join(w.shape, ", "), fmt::join(e.info->shape, ", ")));
      } else if (!float_type(e.info->dtype)) {
        problems.push_back(fmt::format("{} must be a float tensor but is {}", name, tensor_dtype_name(e.info->dtype)));
      } else if (found && (found.info->dtype != e.info->dtype || !std::equal(e.bytes.begin(), e.bytes.end(), found.bytes.begin()))) {
        problems.push_back(fmt::format("{} is tied to {} but holds other values", name, found.info->name));
      }
      if (!found) found = e;
    }
    if (!found) problems.push_back(fmt::format("{} [{}] is missing", w.name, fmt::join(w.shape, ", ")));
    matches.push_back({&w, found});
  }
  for (const std::string& name : files.names()) {
    if (!used.count(name)) problems.push_back(fmt::format("{} is not a tensor of this architecture", name));
  }
  const size_t shown = std::min<size_t>(problems.size(), 20);
  check(problems.empty(), ErrorCode::kData, "[{}] {} tensor{} not what config.json describes:\n  {}{}", label, problems.size(),
        problems.size() == 1 ? " is" : "s are", fmt::join(problems.begin(), problems.begin() + static_cast<std::ptrdiff_t>(shown), "\n  "),
        shown < problems.size() ? fmt::format("\n  ... and {} more", problems.size() - shown) : "");
  return matches;
}

DType stored_matrix_type(const std::vector<Match>& matches) {
  std::optional<DType> type;
  for (const Match& m : matches) {
    if (!m.weight->matrix) continue;
    const DType t = *float_type(m.entry.info->dtype);
    if (type && *type != t) return DType::kF32;  // mixed: the widest that loses nothing of 16 bit
    type = t;
  }
  return type && *type != DType::kF64 ? *type : DType::kF32;
}

}  // namespace

Model Model::load(const std::string& directory, const LoadOptions& options) {
  struct stat st;
  check(::stat(directory.c_str(), &st) == 0, ErrorCode::kNotFound, "[{}] expected a model directory, found nothing; check the path", directory);
  check(S_ISDIR(st.st_mode), ErrorCode::kData, "[{}] expected a directory with config.json and model.safetensors, found a file", directory);
  const std::string config_path = join_path(directory, "config.json");
  check(file_exists(config_path), ErrorCode::kNotFound, "[{}] expected config.json in the model directory, found none", directory);
  Model m;
  m.path_ = directory;
  m.config_ = config_from_json(load_json(config_path), config_path);
  m.arch_ = make_architecture(m.config_);
  m.arch_->declare(m.weights_);
  const SafetensorsSet files = SafetensorsSet::open_dir(directory);
  const std::vector<Match> matches = match_weights(m.weights_, files, directory);
  m.weights_.allocate(options.dtype.value_or(stored_matrix_type(matches)));
  for (const Match& match : matches) store(*match.weight, match.entry.bytes, *float_type(match.entry.info->dtype));
  const std::string tokenizer_path = join_path(directory, "tokenizer.json");
  if (file_exists(tokenizer_path)) {
    std::string json = read_file(tokenizer_path);
    auto tokenizer = std::make_shared<const Tokenizer>(Tokenizer::from_json(json, tokenizer_path));
    m.set_tokenizer(std::move(tokenizer), std::move(json));
  }
  return m;
}

}  // namespace hindscan
