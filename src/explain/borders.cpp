#include <algorithm>
#include <cstring>

#include "explain/reverse_walk.h"

namespace hindscan {

static bool begins_with(const SequenceState::Slot& longer, const SequenceState::Slot& shorter) {
  return longer.dtype == shorter.dtype && longer.bytes.size() >= shorter.bytes.size() &&
         std::memcmp(longer.bytes.data(), shorter.bytes.data(), shorter.bytes.size()) == 0;
}

// A slot counts as growing once a later border's begins with an earlier one's and is longer.
void Borders::push(const SequenceState& state) {
  Border border;
  border.own.tokens = state.tokens;
  for (const auto& [name, slot] : state.slots()) {
    const auto known = grown_.find(name);
    const bool grows =
        known == grown_.end() || (slot.bytes.size() > known->second.bytes.size() && begins_with(slot, known->second));
    if (grows && not_growing_.count(name) == 0) {
      grown_[name] = slot;
      border.shared[name] = slot.shape;
      continue;
    }
    not_growing_.insert(name);
    std::memcpy(border.own.put(name, slot.shape, slot.dtype), slot.bytes.data(), slot.bytes.size());
  }
  borders_.push_back(std::move(border));
}

SequenceState Borders::at(size_t border) const {
  SequenceState state = borders_[border].own;
  for (const auto& [name, shape] : borders_[border].shared) {
    const SequenceState::Slot& slot = grown_.at(name);
    int64_t n = static_cast<int64_t>(dtype_size(slot.dtype));
    for (int64_t d : shape) n *= d;
    std::memcpy(state.put(name, shape, slot.dtype), slot.bytes.data(), static_cast<size_t>(n));
  }
  return state;
}

}  // namespace hindscan
