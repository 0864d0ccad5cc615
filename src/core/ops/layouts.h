// Layouts of reordered tokens: equal ones are shared, none carries states.
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "core/context.h"

namespace hindscan {

inline bool same_layout(const Layout& a, const Layout& b) {
  return a.cu == b.cu && std::equal(a.segments.begin(), a.segments.end(), b.segments.begin(), b.segments.end(),
                                    [](const Segment& x, const Segment& y) {
                                      return x.begin == y.begin && x.end == y.end && x.seq == y.seq &&
                                             x.carries_in == y.carries_in && x.carries_out == y.carries_out;
                                    });
}

inline int layout_index(std::vector<Layout>& layouts, Layout wanted) {
  for (size_t i = 0; i < layouts.size(); ++i) {
    if (same_layout(layouts[i], wanted)) return static_cast<int>(i);
  }
  layouts.push_back(std::move(wanted));
  return static_cast<int>(layouts.size()) - 1;
}

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
