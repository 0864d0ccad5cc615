// The data grammar of torch.save: 31 pickle opcodes over a closed set of values. Nothing is imported, called or
// constructed.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/safetensors.h"

namespace hindscan {

using PickleRef = uint32_t;  // index of a value

struct PickleStorage {
  std::string_view key;  // of data/<key>
  TensorDType dtype = TensorDType::kF32;
  uint64_t elements = 0;
};

struct PickleTensor {
  PickleRef storage = 0;
  uint64_t offset = 0;  // in elements
  std::vector<uint64_t> shape, stride;
};

struct PickleValue {
  enum class Kind : uint8_t {
    kNone,
    kBool,
    kInt,
    kFloat,
    kText,
    kTuple,
    kList,
    kDict,
    kGlobal,
    kStorage,
    kTensor
  } kind = Kind::kNone;
  bool ordered = false;               // kDict: made by collections.OrderedDict
  int64_t number = 0;                 // kBool, kInt; kGlobal: its tag
  uint32_t index = 0;                 // kStorage, kTensor: place in its list
  std::string_view text = {};         // kText: UTF-8; kGlobal: "module name"
  std::vector<PickleRef> items = {};  // kTuple, kList; kDict: key, value, key, value
};

struct PickleData {
  std::vector<PickleValue> values;
  std::vector<PickleStorage> storages;
  std::vector<PickleTensor> tensors;
  PickleRef root = 0;
};

// The texts view `pickle`. Any other opcode or global, and any use of these that torch.save does not make, is an
// Error(kData) with the byte where it stands.
PickleData parse_torch_pickle(std::span<const uint8_t> pickle, std::string_view label);

}  // namespace hindscan
