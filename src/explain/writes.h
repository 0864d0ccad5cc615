// What drop-write edits drop: found in every mixer of a model, and checked to be what the mixer's state is made of.
#pragma once
#include <set>
#include <span>
#include <string>

#include "explain/edited_batch.h"
#include "explain/pass_probe.h"

namespace hindscan {

// As many tokens of a window as show every write: all of them where the model reads texts of one length only.
std::span<const int32_t> first_few(const PassProbe& probe, std::span<const int32_t> window);

// Error(kInternal) unless every write is among the taps that a pass came by.
void verify_found(const std::set<std::string>& found, const Writes& writes);

// The same of a pass over the window, and that each mixer's state is another one without any write: else drop-write
// edits would measure zeros that mean nothing. Error(kData) where a recurrence that reads its own output is saturated.
void verify_writes(const Model& model, std::span<const int32_t> window, const SequenceState& before,
                   const Writes& writes, PassRoom& room);

}  // namespace hindscan
