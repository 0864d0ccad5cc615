// .state files: the carried state of one sequence in a safetensors container, tied to its model by a fingerprint.
#include <charconv>
#include <cstring>

#include "base/formats.h"
#include "io/safetensors.h"
#include "model/config_json.h"
#include "model/model.h"

namespace hindscan {

// FNV-1a over the configuration and a sample of every weight: tells models apart, is no security measure.
static std::string fingerprint(const Model& model) {
  uint64_t h = 0xcbf29ce484222325ull;
  const auto feed = [&h](const void* data, size_t n) {
    const unsigned char* p = static_cast<const unsigned char*>(data);
    for (size_t i = 0; i < n; ++i) h = (h ^ p[i]) * 0x100000001b3ull;
  };
  const std::string config = to_string(config_to_json(model.arch().hf_config()));
  feed(config.data(), config.size());
  for (size_t k = 0; k < model.weights().size(); ++k) {
    const Weight& w = model.weights()[k];
    const size_t bytes = static_cast<size_t>(w.size()) * dtype_size(w.dtype);
    feed(w.data, std::min<size_t>(bytes, 4096));
  }
  return fmt::format("{:016x}", h);
}

void save_state(Fs& fs, const std::string& path, const SequenceState& state, const Model& model) {
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, slot] : state.slots()) {
    tensors.push_back({name,
                       slot.dtype == DType::kF64 ? TensorDType::kF64 : TensorDType::kF32,
                       {slot.shape.begin(), slot.shape.end()},
                       {reinterpret_cast<const uint8_t*>(slot.bytes.data()), slot.bytes.size()}});
  }
  write_safetensors(
      fs, path, std::move(tensors),
      {{"format", format::kState}, {"model", fingerprint(model)}, {"tokens", std::to_string(state.tokens)}});
}

SequenceState load_state(const std::string& path, const Model& model) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  std::string format, owner, tokens;
  for (const auto& [key, value] : file.metadata()) {
    if (key == "format") format = value;
    if (key == "model") owner = value;
    if (key == "tokens") tokens = value;
  }
  check(format == format::kState, ErrorCode::kData,
        "[{}] expected a state file ({}), found \"{}\"; write one with --state-out", path, format::kState, format);
  check(owner == fingerprint(model), ErrorCode::kData,
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
