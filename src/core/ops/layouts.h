// Layouts of reordered tokens: none carries states.
#pragma once
#include <vector>

#include "core/context.h"

namespace hindscan {

// Sequences of `length` tokens each, cut where resets says so.
inline Layout cut_layout(size_t sequences, int64_t length, const std::vector<uint8_t>& resets) {
  Layout out;
  out.cu.push_back(0);
  for (size_t b = 0; b < sequences; ++b) {
    const int64_t start = out.cu.back();
    int64_t begin = start;
    for (int64_t i = 1; i < length && !resets.empty(); ++i) {
      if (resets[static_cast<size_t>(i)] == 0) continue;
      out.segments.push_back({begin, start + i, static_cast<int>(b), false, false});
      begin = start + i;
    }
    out.segments.push_back({begin, start + length, static_cast<int>(b), false, false});
    out.cu.push_back(start + length);
  }
  return out;
}

}  // namespace hindscan
