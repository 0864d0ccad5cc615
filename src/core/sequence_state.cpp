#include "core/sequence_state.h"

#include "base/error.h"

namespace hindscan {

static size_t slot_bytes(const std::vector<int64_t>& shape, DType dtype) {
  size_t n = dtype_size(dtype);
  for (int64_t d : shape) n *= static_cast<size_t>(d);
  return n;
}

const void* SequenceState::get(const std::string& name, const std::vector<int64_t>& shape, DType dtype) const {
  const auto it = slots_.find(name);
  if (it == slots_.end()) return nullptr;
  check(it->second.shape == shape && it->second.dtype == dtype, ErrorCode::kData,
        "[state {}] expected shape [{}] {}, found [{}] {}; the state belongs to another model", name, fmt::join(shape, ", "),
        dtype_name(dtype), fmt::join(it->second.shape, ", "), dtype_name(it->second.dtype));
  return it->second.bytes.data();
}

void* SequenceState::put(const std::string& name, const std::vector<int64_t>& shape, DType dtype) {
  Slot& slot = slots_[name];
  if (slot.shape != shape || slot.dtype != dtype || slot.bytes.size() != slot_bytes(shape, dtype)) {
    slot.shape = shape;
    slot.dtype = dtype;
    slot.bytes.assign(slot_bytes(shape, dtype), 0);
  }
  return slot.bytes.data();
}

void SequenceState::clear() {
  slots_.clear();
  tokens = 0;
}

size_t SequenceState::bytes() const {
  size_t n = 0;
  for (const auto& [name, slot] : slots_) n += slot.bytes.size();
  return n;
}

}  // namespace hindscan
