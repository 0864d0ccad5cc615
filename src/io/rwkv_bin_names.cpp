// Undoes what rwkv.cpp's converter did to BlinkDL's tensors, so that one architecture file serves both.
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "base/error.h"
#include "io/rwkv_bin.h"

namespace hindscan {
namespace {

enum class Version { kV4, kV5, kV6, kV7 };

Version version_of(const RwkvBinLayout& layout) {
  const auto has = [&](std::string_view name) {
    return std::any_of(layout.tensors.begin(), layout.tensors.end(),
                       [&](const RwkvBinTensor& t) { return t.name == name; });
  };
  if (has("blocks.0.att.x_rwkvag")) return Version::kV7;
  if (has("blocks.0.att.time_maa_x")) return Version::kV6;
  return has("blocks.0.att.ln_x.weight") ? Version::kV5 : Version::kV4;
}

// value = -exp(w) or exp(-exp(w)) -> w. Where f32 has rounded the value to a limit, the w that gives this limit again.
float log_of_minus(float value) { return std::max(std::log(-value), -100.0f); }
float log_log_of(float value) {
  const double w = std::log(-std::log(static_cast<double>(value)));
  return static_cast<float>(std::clamp(w, -40.0, 6.0));
}

class Converter {
 public:
  Converter(std::span<const uint8_t> file, const RwkvBinLayout& layout, TensorStore& store)
      : file_(file), version_(version_of(layout)), store_(store) {}

  void convert(const RwkvBinTensor& t) {
    const std::string_view name = t.name;
    if (name.ends_with(".att.x_rwkvag")) return split_mixes(t);
    if (name.ends_with(".att.time_decay") && version_ != Version::kV6) return undo_decay(t);
    if (name.ends_with(".att.time_first") && version_ == Version::kV5) return undo_first(t);
    if (is_low_rank(name)) return add_transposed(t);
    if (t.type == RwkvBinTensor::Type::kF32 || t.type == RwkvBinTensor::Type::kF16) return add_as_stored(t);
    store_.add_floats(t.name, t.shape, dequantise(file_, t));
  }

 private:
  bool is_low_rank(std::string_view name) const {
    const size_t att = name.find(".att.");
    if (att == std::string_view::npos) return false;
    const std::string_view rest = name.substr(att + 5);
    if (version_ == Version::kV6)
      return rest == "time_maa_w1" || rest == "time_maa_w2" || rest == "time_decay_w1" || rest == "time_decay_w2";
    const bool pair = rest.size() == 2 && std::string_view("wavg").find(rest[0]) != std::string_view::npos;
    return version_ == Version::kV7 && pair && (rest[1] == '1' || rest[1] == '2');
  }

  void add_as_stored(const RwkvBinTensor& t) {
    TensorInfo info;
    info.name = t.name;
    info.dtype = t.type == RwkvBinTensor::Type::kF16 ? TensorDType::kF16 : TensorDType::kF32;
    info.shape = t.shape;
    store_.add(std::move(info), file_.subspan(t.begin, t.end - t.begin));
  }

  // The last two dimensions change places.
  void add_transposed(const RwkvBinTensor& t) {
    check(t.shape.size() >= 2, ErrorCode::kData, "[{}] '{}': expected a matrix, found [{}]", store_.label(), t.name,
          fmt::join(t.shape, ", "));
    const std::vector<float> from = dequantise(file_, t);
    const size_t rows = t.shape[t.shape.size() - 2], cols = t.shape.back();
    std::vector<float> to(from.size());
    for (size_t i = 0; i < from.size(); ++i) {
      const size_t matrix = i / (rows * cols), r = i / cols % rows, c = i % cols;
      to[matrix * rows * cols + c * rows + r] = from[i];
    }
    std::vector<uint64_t> shape = t.shape;
    std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
    store_.add_floats(t.name, std::move(shape), to);
  }

  void split_mixes(const RwkvBinTensor& t) {
    constexpr std::string_view kOrder = "rwkvag";
    check(!t.shape.empty() && t.shape[0] == kOrder.size(), ErrorCode::kData, "[{}] '{}': expected {} rows, found [{}]",
          store_.label(), t.name, kOrder.size(), fmt::join(t.shape, ", "));
    const std::vector<float> all = dequantise(file_, t);
    const size_t n = all.size() / kOrder.size();
    const std::string prefix = t.name.substr(0, t.name.size() - kOrder.size());
    for (size_t i = 0; i < kOrder.size(); ++i) {
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(i * n);
      store_.add_floats(prefix + kOrder[i], {1, 1, n}, {begin, begin + static_cast<std::ptrdiff_t>(n)});
    }
  }

  void undo_decay(const RwkvBinTensor& t) {
    const bool v4 = version_ == Version::kV4;
    std::vector<float> values = dequantise(file_, t);
    for (float& v : values) {
      const bool possible = v4 ? v <= 0 : v >= 0 && v <= 1;
      check(possible, ErrorCode::kData, "[{}] '{}': expected a decay {}, found {}; the file is damaged", store_.label(),
            t.name, v4 ? "of at most 0" : "in 0..1", v);
      v = v4 ? log_of_minus(v) : log_log_of(v);
    }
    store_.add_floats(t.name, t.shape, values);
  }

  void undo_first(const RwkvBinTensor& t) {
    std::vector<float> values = dequantise(file_, t);
    for (float& v : values) {
      check(v >= 0, ErrorCode::kData, "[{}] '{}': expected exponentials, found {}; the file is damaged", store_.label(),
            t.name, v);
      v = std::max(std::log(v), -100.0f);
    }
    store_.add_floats(t.name, t.shape, values);
  }

  std::span<const uint8_t> file_;
  Version version_;
  TensorStore& store_;
};

}  // namespace

void read_rwkv_bin(FileBytes file, TensorStore& store) {
  const auto owner = std::make_shared<const FileBytes>(std::move(file));
  const RwkvBinLayout layout = parse_rwkv_bin(owner->bytes(), store.label());
  Converter converter(owner->bytes(), layout, store);
  for (const RwkvBinTensor& t : layout.tensors) converter.convert(t);
  store.keep(owner);
}

}  // namespace hindscan
