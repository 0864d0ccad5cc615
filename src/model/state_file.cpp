// .state files: the carried state of one sequence in a safetensors container, tied to its model by a hash.
#include <charconv>
#include <cstring>

#include "base/formats.h"
#include "io/safetensors.h"
#include "model/model.h"
#include "model/weights_hash.h"

namespace hindscan {

void save_state(Fs& fs, const std::string& path, const SequenceState& state, const Model& model) {
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, slot] : state.slots()) {
    tensors.push_back({name,
                       tensor_dtype_of(slot.dtype),
                       {slot.shape.begin(), slot.shape.end()},
                       {reinterpret_cast<const uint8_t*>(slot.bytes.data()), slot.bytes.size()}});
  }
  write_safetensors(fs, path, std::move(tensors),
                    {{"format", format::kState},
                     {"model", model_hash(model)},
                     {"weights", weights_hash(model.weights())},
                     {"tokens", std::to_string(state.tokens)}});
}

SequenceState load_state(const std::string& path, const Model& model) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  std::string format, owner, tokens;
  for (const auto& [key, value] : file.metadata()) {
    if (key == "format") format = value;
    if (key == "model") owner = value;
    if (key == "tokens") tokens = value;
  }
  format::expect(path, format::kState, format);
  check(owner == model_hash(model), ErrorCode::kData,
        "[{}] expected a state of this model, found one of another; use the model that wrote it", path);
  SequenceState state;
  const auto [end, error] = std::from_chars(tokens.data(), tokens.data() + tokens.size(), state.tokens);
  check(error == std::errc() && end == tokens.data() + tokens.size() && state.tokens >= 0, ErrorCode::kData,
        "[{}] expected a token count, found \"{}\"", path, tokens);
  for (const TensorInfo& t : file.tensors()) {
    check(t.dtype == TensorDType::kF32 || t.dtype == TensorDType::kF64, ErrorCode::kData, "[{}] {} must be F32 or F64",
          path, t.name);
    const std::span<const uint8_t> bytes = file.bytes(t);
    void* to =
        state.put(t.name, {t.shape.begin(), t.shape.end()}, t.dtype == TensorDType::kF64 ? DType::kF64 : DType::kF32);
    std::memcpy(to, bytes.data(), bytes.size());
  }
  return state;
}

}  // namespace hindscan
