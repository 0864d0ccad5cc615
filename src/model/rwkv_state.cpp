#include "model/rwkv_state.h"

#include <algorithm>

#include "base/counted.h"
#include "base/error.h"
#include "base/log.h"

namespace hindscan {
namespace {

std::string tensor_name(int64_t layer) { return fmt::format("blocks.{}.att.time_state", layer); }

// The slots of a state after one token; their names and shapes are the family's.
SequenceState any_state(const Model& model) {
  SequenceState state;
  const int32_t token = 0;
  Runner(model).step({&token, 1}, state);
  return state;
}

// Trained as [H, V, K]: RWKV-LM a6854e4 RWKV-v5/cuda/wkv6state_cuda.cu; RWKV-PEFT 5b8aac9 rwkvt/operator/rwkvop.py (6
// and 7 alike); read so by ChatRWKV 965e40b (5, 6), RWKV-Runner 64269f0 backend-python/utils/rwkv.py (7: its own is [V,
// K]).
template <class R>
void turn(const std::vector<float>& from, int64_t heads, int64_t size, R* to) {
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t k = 0; k < size; ++k) {
      for (int64_t v = 0; v < size; ++v)
        to[(h * size + k) * size + v] = static_cast<R>(from[static_cast<size_t>((h * size + v) * size + k)]);
    }
  }
}

// web-rwkv 3c7d546 assets/scripts/convert_safetensors.py swaps the last two dimensions of a state and makes it half.
bool turned_by_web_rwkv(const TensorStore& tensors) {
  return tensors.format() == TensorStore::Format::kSafetensors &&
         tensors.find(tensor_name(0)).info->dtype == TensorDType::kF16;
}

template <class R>
void fill(const std::vector<float>& from, bool turned, int64_t heads, int64_t size, void* to) {
  if (turned)
    std::copy(from.begin(), from.end(), static_cast<R*>(to));
  else
    turn(from, heads, size, static_cast<R*>(to));
}

}  // namespace

std::optional<SequenceState> rwkv_tuned_state(const TensorStore& tensors, const Model& model) {
  const std::vector<std::string> names = tensors.names();
  const bool only_states = std::all_of(names.begin(), names.end(), [](const std::string& n) {
    return n.starts_with("blocks.") && n.ends_with(".att.time_state");
  });
  if (names.empty() || !only_states) return std::nullopt;
  const std::string type = model.config().text("model_type", ""), &file = tensors.label();
  check(type == "rwkv5" || type == "rwkv6" || type == "rwkv7", ErrorCode::kData,
        "[{}] holds tuned states of an RWKV model with heads (5 to 7), found a model of type '{}'", file, type);
  const int64_t layers = model.arch().sizes().n_layer;
  check(std::ssize(names) == layers, ErrorCode::kData, "[{}] expected states of {}, found {}", file,
        counted(layers, "layer"), names.size());
  SequenceState state;
  const SequenceState shapes = any_state(model);
  bool turned = false;
  for (int64_t l = 0; l < layers; ++l) {
    const std::string slot = fmt::format("blocks.{}.mixer.glr", l);
    const std::vector<int64_t>& shape = shapes.slots().at(slot).shape;  // [H, K, V]
    const TensorStore::Entry e = tensors.find(tensor_name(l));
    check(e && std::equal(shape.begin(), shape.end(), e.info->shape.begin(), e.info->shape.end(),
                          [](int64_t a, uint64_t b) { return static_cast<uint64_t>(a) == b; }),
          ErrorCode::kData, "[{}] expected {} of shape [{}], found {}", file, tensor_name(l), fmt::join(shape, ", "),
          e ? fmt::format("[{}]", fmt::join(e.info->shape, ", ")) : "none");
    if (l == 0) turned = turned_by_web_rwkv(tensors);
    void* to = state.put(slot, shape, model.compute());
    if (model.compute() == DType::kF64)
      fill<double>(floats_of(e), turned, shape[0], shape[1], to);
    else
      fill<float>(floats_of(e), turned, shape[0], shape[1], to);
  }
  if (turned) log_info("[{}] read as web-rwkv writes states: in half precision, keys before values", file);
  return state;
}

}  // namespace hindscan
