#include "core/weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/arena.h"
#include "base/checked.h"
#include "base/rng.h"
#include "kernels/gemm.h"

namespace hindscan {

int64_t Weight::size() const {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

template <>
const float* Weight::as<float>() const {
  check(dtype == DType::kF32 && data != nullptr, ErrorCode::kInternal, "[{}] expected f32 storage, found {}", name,
        dtype_name(dtype));
  return static_cast<const float*>(data);
}
template <>
const double* Weight::as<double>() const {
  check(dtype == DType::kF64 && data != nullptr, ErrorCode::kInternal,
        "[{}] expected f64 storage, found {}; use WeightTable::copy_from", name, dtype_name(dtype));
  return static_cast<const double*>(data);
}

struct WeightTable::Storage {
  HugeBuffer weights;
  HugeBuffer bf16;
};

WeightTable::WeightTable() : storage_(std::make_unique<Storage>()) {}
WeightTable::~WeightTable() = default;
WeightTable::WeightTable(WeightTable&&) noexcept = default;
WeightTable& WeightTable::operator=(WeightTable&&) noexcept = default;

void WeightTable::expect_from(std::string label, size_t tensors) {
  source_ = std::move(label);
  most_ = 4 * tensors + 1000;  // a model of which a part is missing still gets its list of what is missing
}

Weight& WeightTable::add(std::string name, std::vector<int64_t> shape, Init init) {
  constexpr int64_t kMost = int64_t{1} << 48;
  check(weights_.size() < most_, ErrorCode::kData,
        "[{}] expected the weights of the configuration, found far fewer tensors; it describes another model", source_);
  const std::optional<int64_t> n = checked_product(shape);
  check(n && *n <= kMost, ErrorCode::kData, "[weights] {} [{}] is larger than any memory; check the configuration",
        name, fmt::join(shape, ", "));
  check(!by_name_.contains(name), ErrorCode::kInternal, "[weights] \"{}\" is declared twice", name);
  auto w = std::make_unique<Weight>();
  w->name = std::move(name);
  w->shape = std::move(shape);
  w->init = std::move(init);
  w->index = static_cast<int>(weights_.size());
  weights_.push_back(std::move(w));
  by_name_.emplace(weights_.back()->name, weights_.back().get());
  return *weights_.back();
}

Weight& WeightTable::add_matrix(std::string name, std::vector<int64_t> shape, Init init) {
  Weight& w = add(std::move(name), std::move(shape), std::move(init));
  w.matrix = true;
  w.weight_decay = true;
  return w;
}

Weight* WeightTable::find(const std::string& name) {
  if (const auto it = by_name_.find(name); it != by_name_.end()) return it->second;
  for (auto& w : weights_) {
    if (std::find(w->aliases.begin(), w->aliases.end(), name) != w->aliases.end()) return w.get();
  }
  return nullptr;
}

int64_t WeightTable::parameters() const {
  int64_t n = 0;
  for (const auto& w : weights_) n += w->size();
  return n;
}

bool WeightTable::ignores(const std::string& name) const {
  return std::any_of(ignored_.begin(), ignored_.end(),
                     [&](const std::string& part) { return name.starts_with(part) || name.ends_with(part); });
}

static size_t aligned64(size_t bytes) { return (bytes + 63) / 64 * 64; }

void WeightTable::allocate(DType matrix_type) {
  const DType vector_type = matrix_type == DType::kF64 ? DType::kF64 : DType::kF32;
  constexpr size_t kMost = size_t{1} << 48;  // keeps the sum far from overflow
  size_t total = 0;
  for (auto& w : weights_) {
    w->dtype = w->matrix ? matrix_type : vector_type;
    check(static_cast<size_t>(w->size()) < kMost && total < kMost, ErrorCode::kResource,
          "[weights] {} [{}] makes the model larger than any memory; check the configuration", w->name,
          fmt::join(w->shape, ", "));
    total += aligned64(static_cast<size_t>(w->size()) * dtype_size(w->dtype));
  }
  storage_->weights = HugeBuffer(std::max<size_t>(total, 64));
  char* at = storage_->weights.as<char>();
  std::memset(at, 0, total);
  for (auto& w : weights_) {
    w->data = at;
    w->bf16 = nullptr;
    at += aligned64(static_cast<size_t>(w->size()) * dtype_size(w->dtype));
  }
}

static double initial_value(const Weight& w, int64_t i, Rng& rng) {
  switch (w.init.kind) {
    case Init::Kind::kZeros:
      return 0;
    case Init::Kind::kOnes:
      return 1;
    case Init::Kind::kNormal:
      return w.init.a * rng.normal();
    case Init::Kind::kUniform:
      return w.init.a * (2 * rng.uniform() - 1);
    case Init::Kind::kLogArange:  // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): element i is in a column
      return std::log(static_cast<double>(i % w.cols() + 1));
    case Init::Kind::kCustom:
      break;
    case Init::Kind::kInvSoftplusDt: {
      const double log_lo = std::log(w.init.a), log_hi = std::log(w.init.b);
      const double dt = std::max(std::exp(log_lo + rng.uniform() * (log_hi - log_lo)), w.init.c);
      return dt + std::log(-std::expm1(-dt));  // softplus of this is dt
    }
  }
  return 0;
}

void WeightTable::initialise(uint64_t seed) {
  for (auto& w : weights_) {
    Rng rng(seed, w->name);
    std::vector<double> custom;
    if (w->init.fill) {
      custom.assign(static_cast<size_t>(w->size()), 0.0);
      w->init.fill(custom, w->shape, rng);
    }
    for (int64_t i = 0; i < w->size(); ++i) {
      // Rounded to float first, so that an f64 table starts from the same numbers.
      const float value =
          static_cast<float>(custom.empty() ? initial_value(*w, i, rng) : custom[static_cast<size_t>(i)]);
      if (w->dtype == DType::kF32) static_cast<float*>(w->data)[i] = value;
      if (w->dtype == DType::kF64) static_cast<double*>(w->data)[i] = value;
      if (w->dtype == DType::kBF16) static_cast<uint16_t*>(w->data)[i] = float_to_bf16(value);
      if (w->dtype == DType::kF16) static_cast<uint16_t*>(w->data)[i] = float_to_f16(value);
    }
  }
  refresh_bf16();
}

static double read_value(const Weight& w, int64_t i) {
  switch (w.dtype) {
    case DType::kF32:
      return static_cast<const float*>(w.data)[i];
    case DType::kF64:
      return static_cast<const double*>(w.data)[i];
    case DType::kBF16:
      return bf16_to_float(static_cast<const uint16_t*>(w.data)[i]);
    case DType::kF16:
      return f16_to_float(static_cast<const uint16_t*>(w.data)[i]);
  }
  return 0;
}

void WeightTable::copy_from(const WeightTable& other) {
  check(other.size() == size(), ErrorCode::kInternal, "[weights] expected {} weights, found {}", size(), other.size());
  for (size_t k = 0; k < size(); ++k) {
    Weight& w = *weights_[k];
    const Weight& from = other[k];
    check(w.name == from.name && w.shape == from.shape, ErrorCode::kInternal, "[weights] \"{}\" and \"{}\" differ",
          w.name, from.name);
    for (int64_t i = 0; i < w.size(); ++i) {
      const double value = read_value(from, i);
      if (w.dtype == DType::kF32) static_cast<float*>(w.data)[i] = static_cast<float>(value);
      if (w.dtype == DType::kF64) static_cast<double*>(w.data)[i] = value;
      if (w.dtype == DType::kBF16) static_cast<uint16_t*>(w.data)[i] = float_to_bf16(static_cast<float>(value));
      if (w.dtype == DType::kF16) static_cast<uint16_t*>(w.data)[i] = float_to_f16(static_cast<float>(value));
    }
  }
}

void WeightTable::refresh_bf16() {
  if (weights_.empty() || storage_->bf16.empty()) return;
  for (auto& w : weights_) {
    if (w->bf16 != nullptr)
      kernels::convert(static_cast<const float*>(w->data), const_cast<uint16_t*>(w->bf16), w->size(), DType::kBF16);
  }
}

void WeightTable::make_bf16() {
  size_t total = 0;
  for (auto& w : weights_) total += w->matrix ? aligned64(static_cast<size_t>(w->size()) * 2) : 0;
  storage_->bf16 = HugeBuffer(std::max<size_t>(total, 64));
  uint16_t* at = storage_->bf16.as<uint16_t>();
  for (auto& w : weights_) {
    if (!w->matrix || w->dtype != DType::kF32) continue;
    w->bf16 = at;
    at += aligned64(static_cast<size_t>(w->size()) * 2) / 2;
  }
  refresh_bf16();
}

size_t WeightTable::bytes() const {
  size_t n = 0;
  for (const auto& w : weights_) n += static_cast<size_t>(w->size()) * dtype_size(w->dtype);
  return n;
}

GradTable::GradTable(const WeightTable& weights, DType compute) : dtype_(compute) {
  for (size_t i = 0; i < weights.size(); ++i) {
    offset_.push_back(total_);
    total_ += (weights[i].size() + 15) / 16 * 16;
  }
  owned_ = std::make_unique<char[]>(static_cast<size_t>(total_) * dtype_size(dtype_) + 64);
  base_ = owned_.get() + (64 - reinterpret_cast<uintptr_t>(owned_.get()) % 64);
  zero();
}
GradTable::~GradTable() = default;
void GradTable::zero() { std::memset(base_, 0, static_cast<size_t>(total_) * dtype_size(dtype_)); }
void* GradTable::at(const Weight& w) const {
  return base_ + static_cast<size_t>(offset_[static_cast<size_t>(w.index)]) * dtype_size(dtype_);
}

}  // namespace hindscan
