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
        "[state {}] expected shape [{}] {}, found [{}] {}; the state belongs to another model", name,
        fmt::join(shape, ", "), dtype_name(dtype), fmt::join(it->second.shape, ", "), dtype_name(it->second.dtype));
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

SequenceState::Rows SequenceState::rows(const std::string& name, int64_t width, DType dtype) const {
  const auto it = slots_.find(name);
  if (it == slots_.end()) return {};
  const Slot& slot = it->second;
  check(slot.shape.size() == 2 && slot.shape[1] == width && slot.dtype == dtype &&
            slot.bytes.size() == slot_bytes(slot.shape, dtype),
        ErrorCode::kData, "[state {}] expected rows of {} {}, found shape [{}] {}; the state belongs to another model",
        name, width, dtype_name(dtype), fmt::join(slot.shape, ", "), dtype_name(slot.dtype));
  return {slot.bytes.data(), slot.shape[0]};
}

void* SequenceState::append_rows(const std::string& name, int64_t width, DType dtype, int64_t count, int64_t keep) {
  const int64_t old = rows(name, width, dtype).count, stay = keep >= 0 && old > 2 * keep ? keep : old;
  Slot& slot = slots_[name];
  const size_t row = static_cast<size_t>(width) * dtype_size(dtype);
  slot.bytes.erase(slot.bytes.begin(),
                   slot.bytes.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(old - stay) * row));
  slot.bytes.resize(static_cast<size_t>(stay + count) * row);
  slot.shape = {stay + count, width};
  slot.dtype = dtype;
  return slot.bytes.data() + static_cast<size_t>(stay) * row;
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
