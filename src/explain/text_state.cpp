#include "explain/text_state.h"

#include <algorithm>
#include <cstring>

namespace hindscan {
namespace {

// Rows [0, rows) of a slot of rows, those that it has over and over.
void repeat_rows(const SequenceState::Slot& slot, int64_t rows, char* to) {
  const size_t row = slot.bytes.size() / static_cast<size_t>(slot.shape[0]);
  for (int64_t i = 0; i < rows; ++i)
    std::memcpy(to + static_cast<size_t>(i) * row, slot.bytes.data() + static_cast<size_t>(i % slot.shape[0]) * row,
                row);
}

// How many rows the slot has after all tokens, or -1 where it has no rows of tokens.
int64_t rows_after(const std::string& name, const PassProbe& probe, int64_t tokens) {
  const auto scope = [](const std::string& slot) { return slot.substr(0, slot.rfind('.')); };
  for (const KeyCache& cache : probe.caches) {
    if (scope(cache.slot) == scope(name)) return cache.rows(tokens);
  }
  return -1;
}

}  // namespace

SequenceState long_text_state(const Model& model, std::span<const int32_t> first, const SequenceState* before,
                              const PassProbe& probe, int64_t tokens) {
  constexpr int64_t kFew = 64;
  SequenceState few = before == nullptr ? model.initial_state() : *before;
  const int64_t start = few.tokens, read = std::min({kFew, tokens, std::ssize(first)});
  if (read == 0) return few;
  const RunSequence sequence{first.first(static_cast<size_t>(read)), &few};
  Runner(model).feed({&sequence, 1});
  SequenceState state;
  state.tokens = start + tokens;
  for (const auto& [name, slot] : few.slots()) {
    const int64_t rows = rows_after(name, probe, state.tokens);
    std::vector<int64_t> shape = slot.shape;
    const bool grows = rows > 0 && rows > shape[0] && shape[0] == rows_after(name, probe, few.tokens);
    if (grows) shape[0] = rows;
    char* to = static_cast<char*>(state.put(name, shape, slot.dtype));
    if (grows)
      repeat_rows(slot, rows, to);
    else
      std::copy(slot.bytes.begin(), slot.bytes.end(), to);
  }
  return state;
}

}  // namespace hindscan
