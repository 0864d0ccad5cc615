#include "io/rwkv_bin.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>

#include "base/budget.h"
#include "base/checked.h"
#include "io/byte_cursor.h"
#include "kernels/dtype.h"

namespace hindscan {
namespace {

using Type = RwkvBinTensor::Type;

constexpr uint32_t kMagic = 0x67676d66;
constexpr uint64_t kHeader = 24, kMaxDim = 1u << 24, kBlock = 32;
constexpr uint32_t kMaxRank = 4;
// A tensor is listed here, its name once more to be sorted, and again in the model's store.
constexpr uint64_t kTensorBytes = 3 * sizeof(RwkvBinTensor) + 2 * 64;

// Bytes of `elements` in whole blocks; null for a number of elements that fills none.
std::optional<uint64_t> bytes_of(Type type, std::optional<uint64_t> elements) {
  if (!elements) return std::nullopt;
  if (type == Type::kF32) return checked_mul(*elements, 4);
  if (type == Type::kF16) return checked_mul(*elements, 2);
  if (*elements % kBlock != 0) return std::nullopt;
  return checked_mul(*elements / kBlock, type == Type::kQ5_0 ? 22 : 24);
}

RwkvBinTensor read_tensor(ByteCursor& in, std::string_view label) {
  const uint32_t rank = in.u32(), name_size = in.u32(), type = in.u32();
  check(rank <= kMaxRank && name_size <= limit::kTensorName, ErrorCode::kData,
        "[{}] expected at most {} dimensions and a name of at most {} bytes at byte {}, "
        "found {} and {}",
        label, kMaxRank, limit::kTensorName, in.at() - 12, rank, name_size);
  check(type == 0 || type == 1 || type == 7 || type == 8, ErrorCode::kData,
        "[{}] expected FP32, FP16, Q5_0 or Q5_1 at byte {}, found type {}; convert it to one of these", label,
        in.at() - 4, type);
  RwkvBinTensor t;
  t.type = static_cast<Type>(type);
  Checked elements = 1;
  for (uint32_t d = 0; d < rank; ++d) {
    t.shape.insert(t.shape.begin(), in.u32());
    elements = elements * t.shape.front();
  }
  const uint64_t row = t.shape.empty() ? 1 : t.shape.back();
  t.name = in.text(name_size);
  for (const char c : t.name) {
    check(c > 0x20 && c < 0x7f, ErrorCode::kData, "[{}] expected a plain tensor name before byte {}, found other bytes",
          label, in.at());
  }
  const auto bytes = bytes_of(t.type, elements.value());
  check(bytes && (type < 7 || row % kBlock == 0), ErrorCode::kData,
        "[{}] '{}': expected rows of whole blocks, found [{}]", label, t.name, fmt::join(t.shape, ", "));
  t.begin = in.at();
  in.take(*bytes);
  t.end = in.at();
  return t;
}

// One block of 32 numbers of 5 bits: the low four of number j and j + 16 share byte j, the fifth is bit j of `high`.
void dequantise_block(const uint8_t* nibbles, uint32_t high, float scale, float shift, float* out) {
  for (uint32_t j = 0; j < 16; ++j) {
    const uint32_t low = (nibbles[j] & 15u) | ((high >> j & 1u) << 4),
                   up = (nibbles[j] >> 4) | ((high >> (j + 16) & 1u) << 4);
    out[j] = static_cast<float>(low) * scale + shift;
    out[j + 16] = static_cast<float>(up) * scale + shift;
  }
}

float read_f16(const uint8_t* at) {
  uint16_t v;
  std::memcpy(&v, at, sizeof v);
  return f16_to_float(v);
}

}  // namespace

uint64_t RwkvBinTensor::elements() const {
  return std::accumulate(shape.begin(), shape.end(), uint64_t{1}, [](uint64_t a, uint64_t b) { return a * b; });
}

bool looks_like_rwkv_bin(std::span<const uint8_t> file) {
  return file.size() >= 4 && ByteCursor(file, "rwkv.cpp").u32() == kMagic;
}

RwkvBinLayout parse_rwkv_bin(std::span<const uint8_t> file, std::string_view label) {
  ByteCursor in(file, label);
  check(file.size() >= kHeader && in.u32() == kMagic, ErrorCode::kData,
        "[{}] expected a model file of rwkv.cpp, found something else", label);
  const uint32_t version = in.u32();
  check(version == 100 || version == 101, ErrorCode::kData,
        "[{}] expected version 100 or 101 of rwkv.cpp's format, found {}", label, version);
  const uint32_t vocab = in.u32(), d_model = in.u32(), layers = in.u32();
  in.take(4);  // type of most tensors; each names its own
  check(vocab >= 1 && vocab <= kMaxDim && d_model >= 1 && d_model <= kMaxDim && layers >= 1 && layers <= limit::kLayers,
        ErrorCode::kData, "[{}] expected sensible sizes, found a vocabulary of {}, a width of {} and {} layers", label,
        vocab, d_model, layers);
  RwkvBinLayout out{vocab, d_model, layers, {}};
  std::vector<std::string_view> names;
  Budget budget(label, file.size());
  while (in.left() > 0) {
    budget.count(out.tensors.size() + 1, limit::kTensors, "tensors");
    budget.take(1, kTensorBytes, "tensors");
    out.tensors.push_back(read_tensor(in, label));
  }
  for (const RwkvBinTensor& t : out.tensors) names.push_back(t.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  check(twice == names.end(), ErrorCode::kData, "[{}] expected each tensor once, found '{}' twice", label,
        twice == names.end() ? std::string_view() : *twice);
  return out;
}

std::vector<float> dequantise(std::span<const uint8_t> file, const RwkvBinTensor& t) {
  const uint64_t n = t.elements();
  std::vector<float> out(n);
  const uint8_t* at = file.data() + t.begin;
  if (t.type == Type::kF32 && n > 0) std::memcpy(out.data(), at, n * sizeof(float));
  if (t.type == Type::kF16) {
    for (uint64_t i = 0; i < n; ++i) out[i] = read_f16(at + 2 * i);
  }
  if (t.type == Type::kF32 || t.type == Type::kF16) return out;
  for (uint64_t i = 0; i < n; i += kBlock) {
    const float scale = read_f16(at);
    const bool shifted = t.type == Type::kQ5_1;
    const float shift = shifted ? read_f16(at + 2) : -16 * scale;
    at += shifted ? 4 : 2;
    uint32_t high;
    std::memcpy(&high, at, sizeof high);
    dequantise_block(at + 4, high, scale, shift, out.data() + i);
    at += 20;
  }
  return out;
}

}  // namespace hindscan
