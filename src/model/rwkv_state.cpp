#include "model/rwkv_state.h"

#include <algorithm>

#include "base/error.h"

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

// File [H, V, K] -> slot [H, K, V].
template <class R>
void transpose(const std::vector<float>& from, int64_t heads, int64_t size, R* to) {
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t k = 0; k < size; ++k) {
      for (int64_t v = 0; v < size; ++v)
        to[(h * size + k) * size + v] = static_cast<R>(from[static_cast<size_t>((h * size + v) * size + k)]);
    }
  }
}

}  // namespace

std::optional<SequenceState> rwkv_tuned_state(const TensorStore& tensors, const Model& model) {
  const std::vector<std::string> names = tensors.names();
  const bool only_states = std::all_of(names.begin(), names.end(), [](const std::string& n) {
    return n.starts_with("blocks.") && n.ends_with(".att.time_state");
  });
  if (names.empty() || !only_states) return std::nullopt;
  const std::string type = model.config().text("model_type", ""), &file = tensors.label();
  check(type == "rwkv5" || type == "rwkv6", ErrorCode::kData,
        "[{}] holds tuned states of an RWKV-5 or RWKV-6 model, found a model of type '{}'", file, type);
  const int64_t layers = model.arch().sizes().n_layer;
  check(std::ssize(names) == layers, ErrorCode::kData, "[{}] expected states of {} layers, found {}", file, layers,
        names.size());
  SequenceState state;
  const SequenceState shapes = any_state(model);
  for (int64_t l = 0; l < layers; ++l) {
    const std::string slot = fmt::format("blocks.{}.mixer.glr", l);
    const std::vector<int64_t>& shape = shapes.slots().at(slot).shape;  // [H, K, V]
    const TensorStore::Entry e = tensors.find(tensor_name(l));
    check(e && std::equal(shape.begin(), shape.end(), e.info->shape.begin(), e.info->shape.end(),
                          [](int64_t a, uint64_t b) { return static_cast<uint64_t>(a) == b; }),
          ErrorCode::kData, "[{}] expected {} of shape [{}], found {}", file, tensor_name(l), fmt::join(shape, ", "),
          e ? fmt::format("[{}]", fmt::join(e.info->shape, ", ")) : "none");
    void* to = state.put(slot, shape, model.compute());
    if (model.compute() == DType::kF64)
      transpose(floats_of(e), shape[0], shape[1], static_cast<double*>(to));
    else
      transpose(floats_of(e), shape[0], shape[1], static_cast<float*>(to));
  }
  return state;
}

}  // namespace hindscan
