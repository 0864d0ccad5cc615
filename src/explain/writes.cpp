#include "explain/writes.h"

#include <algorithm>

#include "explain/edited_batch.h"

namespace hindscan {

static bool all_zero(const SequenceState::Slot& slot) {
  return std::all_of(slot.bytes.begin(), slot.bytes.end(), [](char c) { return c == 0; });
}

std::span<const int32_t> first_few(const PassProbe& probe, std::span<const int32_t> window) {
  constexpr size_t kFew = 16;
  return probe.whole ? window : window.first(std::min(kFew, window.size()));
}

// Whether the states of a mixer differ, and what it carries on is more than zeros.
static bool same_and_written(const SequenceState& with, const SequenceState& without, const std::string& mixer,
                             const std::string& carried) {
  bool written = false;
  for (const auto& [slot, is] : with.slots()) {
    const auto other = without.slots().find(slot);
    if (!slot.starts_with(mixer) || other == without.slots().end()) continue;
    if (is.bytes != other->second.bytes) return false;
    written |= slot == carried && !all_zero(is);
  }
  return written;
}

void verify_found(const std::set<std::string>& found, const Writes& writes) {
  for (const auto& [name, write] : writes)
    check(found.count(name) > 0, ErrorCode::kInternal,
          "[causal] expected the write {} to drop, found none; please report this", name);
}

void verify_writes(const Model& model, std::span<const int32_t> window, const SequenceState& before,
                   const Writes& writes, PassRoom& room) {
  EditedBatch batch(window, 0, writes, room);
  batch.add_without_any_write();
  batch.run(model, before);
  verify_found(batch.silenced, writes);
  for (const auto& [name, write] : writes) {
    const std::string mixer = name.substr(0, name.rfind('.') + 1);
    if (batch.emptied.count(name) == 0 || !same_and_written(batch.states[0], batch.states[1], mixer, write.state))
      continue;
    check(!write.reads_itself, ErrorCode::kData,
          "[causal] expected the state {} to follow the text, found the same with and without its inputs: weights "
          "so large saturate the recurrence; without edits that judge it the text is explained all the same",
          write.state);
    fail(ErrorCode::kInternal,
         "[causal] expected another state of {} without its writes, found the same; please report this", mixer);
  }
}

}  // namespace hindscan
