// .state files: the carried state of one sequence in a safetensors container, tied to its model by a hash.
#include <charconv>
#include <cstring>
#include <set>

#include "base/formats.h"
#include "io/safetensors.h"
#include "io/torch_file.h"
#include "kernels/finite.h"
#include "model/model.h"
#include "model/rwkv_state.h"

namespace hindscan {

// NaN would run on through every later token.
static void check_finite(const std::string& path, const std::string& name, const SequenceState::Slot& slot) {
  const auto n = static_cast<int64_t>(slot.bytes.size() / dtype_size(slot.dtype));
  const int64_t bad = slot.dtype == DType::kF64
                          ? kernels::first_non_finite(n, reinterpret_cast<const double*>(slot.bytes.data()))
                          : kernels::first_non_finite(n, reinterpret_cast<const float*>(slot.bytes.data()));
  check(bad < 0, ErrorCode::kData,
        "[{}] expected a state of finite numbers, found NaN or infinity in {}[{}]; write it again", path, name, bad);
}

void save_state(Fs& fs, const std::string& path, const SequenceState& state, const Model& model) {
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, slot] : state.slots()) {
    check_finite(path, name, slot);
    tensors.push_back({name,
                       tensor_dtype_of(slot.dtype),
                       {slot.shape.begin(), slot.shape.end()},
                       {reinterpret_cast<const uint8_t*>(slot.bytes.data()), slot.bytes.size()}});
  }
  write_safetensors(fs, path, std::move(tensors),
                    {{"format", format::kState},
                     {"model", model_hash(model)},
                     {"weights", model.weights_hash()},
                     {"tokens", std::to_string(state.tokens)}});
}

static SequenceState tuned_state(const std::string& path, const Model& model) {
  std::optional<SequenceState> state = rwkv_tuned_state(TensorStore::open_file(path), model);
  check(state.has_value(), ErrorCode::kData,
        "[{}] expected a state file or the tuned states of an RWKV model, found neither", path);
  for (const auto& [name, slot] : state->slots()) check_finite(path, name, slot);
  return std::move(*state);
}

// "f32", or "bf16 and f32" of a file with both.
static std::string matrix_types(const Model& model) {
  std::set<std::string> types;
  for (size_t i = 0; i < model.weights().size(); ++i) {
    if (model.weights()[i].matrix) types.insert(dtype_name(model.weights()[i].dtype));
  }
  return fmt::format("{}", fmt::join(types, " and "));
}

SequenceState load_state(const std::string& path, const Model& model) {
  if (looks_like_torch(FileBytes::load(path).bytes())) return tuned_state(path, model);
  const SafetensorsFile file = SafetensorsFile::open(path);
  std::string format, owner, tokens;
  for (const auto& [key, value] : file.metadata()) {
    if (key == "format") format = value;
    if (key == "model") owner = value;
    if (key == "tokens") tokens = value;
  }
  if (format.empty() && !file.tensors().empty() && file.tensors()[0].name.ends_with(".att.time_state"))
    return tuned_state(path, model);
  format::expect(path, format::kState, format);
  check(
      owner == model_hash(model), ErrorCode::kData,
      "[{}] expected a state of this model with its matrices held as {}, found one of another model, or of this one in "
      "another type; use the model that wrote it, with the dtype that it was run with (none, where none was given)",
      path, matrix_types(model));
  SequenceState state;
  const auto [end, error] = std::from_chars(tokens.data(), tokens.data() + tokens.size(), state.tokens);
  check(error == std::errc() && end == tokens.data() + tokens.size() && state.tokens >= 0 &&
            state.tokens < (int64_t{1} << 48),
        ErrorCode::kData, "[{}] expected a token count, found \"{}\"", path, tokens);
  for (const TensorInfo& t : file.tensors()) {
    check(t.dtype == TensorDType::kF32 || t.dtype == TensorDType::kF64, ErrorCode::kData, "[{}] {} must be F32 or F64",
          path, t.name);
    const std::span<const uint8_t> bytes = file.bytes(t);
    void* to =
        state.put(t.name, {t.shape.begin(), t.shape.end()}, t.dtype == TensorDType::kF64 ? DType::kF64 : DType::kF32);
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    check_finite(path, t.name, state.slots().at(t.name));
  }
  return state;
}

}  // namespace hindscan
