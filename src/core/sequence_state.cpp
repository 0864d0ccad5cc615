#include "core/sequence_state.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace hindscan {

namespace {

using Slot = SequenceState::Slot;

size_t slot_bytes(std::span<const int64_t> shape, DType dtype) {
  size_t n = dtype_size(dtype);
  for (int64_t d : shape) n *= static_cast<size_t>(d);
  return n;
}

bool same(std::span<const int64_t> a, std::span<const int64_t> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

const void* read(const Slot* slot, const std::string& name, std::span<const int64_t> shape, DType dtype) {
  if (slot == nullptr) return nullptr;
  check(same(slot->shape, shape) && slot->dtype == dtype, ErrorCode::kData,
        "[state {}] expected shape [{}] {}, found [{}] {}; the state belongs to another model", name,
        fmt::join(shape, ", "), dtype_name(dtype), fmt::join(slot->shape, ", "), dtype_name(slot->dtype));
  return slot->bytes.data();
}

void* shaped(Slot& slot, std::span<const int64_t> shape, DType dtype) {
  if (!same(slot.shape, shape) || slot.dtype != dtype || slot.bytes.size() != slot_bytes(shape, dtype)) {
    slot.shape.assign(shape.begin(), shape.end());
    slot.dtype = dtype;
    slot.bytes.assign(slot_bytes(shape, dtype), 0);
  }
  return slot.bytes.data();
}

SequenceState::Rows rows_of(const Slot* slot, const std::string& name, int64_t width, DType dtype) {
  if (slot == nullptr) return {};
  check(slot->shape.size() == 2 && slot->shape[1] == width && slot->dtype == dtype &&
            slot->bytes.size() == slot_bytes(slot->shape, dtype),
        ErrorCode::kData, "[state {}] expected rows of {} {}, found shape [{}] {}; the state belongs to another model",
        name, width, dtype_name(dtype), fmt::join(slot->shape, ", "), dtype_name(slot->dtype));
  return {slot->bytes.data(), slot->shape[0]};
}

}  // namespace

SequenceState::Places& SequenceState::Places::operator=(const Places& other) {
  if (this != &other) *this = Places();
  return *this;
}

SequenceState::Places& SequenceState::Places::operator=(Places&& other) noexcept {
  of = std::exchange(other.of, 0);
  at = std::exchange(other.at, {});
  return *this;
}

SequenceState::Slot*& SequenceState::place(const SlotNames& names, int slot) {
  if (places_.of != names.id()) {
    places_.of = names.id();
    places_.at.clear();
  }
  const size_t at = static_cast<size_t>(slot);
  if (places_.at.size() <= at) places_.at.resize(at + 1, nullptr);
  if (places_.at[at] == nullptr) {
    const auto found = slots_.find(names[slot]);
    if (found != slots_.end()) places_.at[at] = &found->second;
  }
  return places_.at[at];
}

SequenceState::Slot& SequenceState::make(const SlotNames& names, int slot) {
  Slot*& found = place(names, slot);
  if (found == nullptr) found = &slots_[names[slot]];
  return *found;
}

const void* SequenceState::get(const std::string& name, const std::vector<int64_t>& shape, DType dtype) const {
  const auto found = slots_.find(name);
  return read(found == slots_.end() ? nullptr : &found->second, name, shape, dtype);
}

void* SequenceState::put(const std::string& name, const std::vector<int64_t>& shape, DType dtype) {
  return shaped(slots_[name], shape, dtype);
}

SequenceState::Rows SequenceState::rows(const std::string& name, int64_t width, DType dtype) const {
  const auto found = slots_.find(name);
  return rows_of(found == slots_.end() ? nullptr : &found->second, name, width, dtype);
}

void SequenceState::put_behind(const std::string& name, const SharedRows& shared, int64_t width, DType dtype,
                               int64_t count, const void* rows) {
  Slot& slot = slots_[name];
  const int64_t shape[] = {count, width};
  void* to = shaped(slot, shape, dtype);
  if (count > 0) std::memcpy(to, rows, slot.bytes.size());
  slot.shared = shared;
}

SequenceState::SharedRows SequenceState::shared_rows(const SlotNames& names, const Carried& array) {
  const Slot* slot = place(names, array.slot);
  return slot == nullptr ? SharedRows() : slot->shared;
}

const void* SequenceState::get(const SlotNames& names, const Carried& array, DType dtype) {
  return read(place(names, array.slot), names[array.slot], array.shape, dtype);
}

void* SequenceState::put(const SlotNames& names, const Carried& array, DType dtype) {
  return shaped(make(names, array.slot), array.shape, dtype);
}

SequenceState::Rows SequenceState::rows(const SlotNames& names, const Carried& array, DType dtype) {
  return rows_of(place(names, array.slot), names[array.slot], array.shape[1], dtype);
}

void* SequenceState::append_rows(const SlotNames& names, const Carried& array, DType dtype, int64_t count,
                                 int64_t keep) {
  const int64_t width = array.shape[1], old = rows(names, array, dtype).count;
  const int64_t stay = keep >= 0 && old > 2 * keep ? keep : old;
  Slot& slot = make(names, array.slot);
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
  places_ = Places();
  tokens = 0;
}

size_t SequenceState::bytes() const {
  size_t n = 0;
  for (const auto& [name, slot] : slots_) n += slot.bytes.size();
  return n;
}

}  // namespace hindscan
