// A change of one token of a text, or the removal of several in a row, and what it does to the target when the model is
// run again.
#pragma once
#include <cstdint>

namespace hindscan {

enum class EditKind : uint8_t { kReplace, kDropWrite, kRemove };
const char* edit_name(EditKind kind);  // "replace", "drop-write", "remove"

struct Edit {
  EditKind kind = EditKind::kReplace;
  int64_t position = 0;     // in the request's tokens
  int32_t replacement = 0;  // kReplace
  double measured = 0;      // change of the target; 0 below the noise of the arithmetic
  bool changed = false;     // whether any token mixer gave out another number
  int64_t count = 1;        // tokens from `position` on; more than one where they are removed
  int64_t end() const { return position + count; }
};

}  // namespace hindscan
