#include "core/slot_names.h"

#include <algorithm>
#include <atomic>

namespace hindscan {

int64_t SlotShape::size() const {
  int64_t n = 1;
  for (size_t i = 0; i < rank_; ++i) n *= dims_[i];
  return n;
}

static uint64_t next_id() {
  static std::atomic<uint64_t> last = 0;
  return ++last;
}

SlotNames::SlotNames() : id_(next_id()) {}

bool SlotNames::taken(const std::string& name, int since) const {
  return std::any_of(slots_.begin() + since, slots_.end(), [&](const Slot& s) { return s.name == name; });
}

void SlotNames::add(int layer, std::string_view op, const std::string& name, int since) {
  std::string free = name;
  for (int count = 2; taken(free, since); ++count) free = name + std::to_string(count);
  slots_.push_back({layer, std::string(op), std::move(free)});
}

bool SlotNames::is(int slot, int layer, std::string_view op) const {
  const Slot& s = slots_[static_cast<size_t>(slot)];
  return s.layer == layer && s.op == op;
}

}  // namespace hindscan
