// What a short pass shows of the cost of a long one.
#pragma once
#include <utility>
#include <vector>

#include "explain/walk_plan.h"

namespace hindscan {

struct PassProbe {
  int64_t tape = 0;        // bytes of a recorded token, without adjoints
  bool whole = false;      // cannot be walked in chunks
  bool reordered = false;  // tokens do not stay in the text's order
  std::vector<int> quadratic_layers;
  double pair_flops = 0;  // of attention without a window, per pair of tokens

  int64_t state = 0;   // bytes of what a sequence carries, keys and values of attention apart
  int64_t cached = 0;  // bytes of keys and values, per token
  std::vector<std::pair<int64_t, int64_t>> windows;  // tokens and bytes of a token of those with a window
  int64_t state_bytes(int64_t tokens) const;         // that do not grow after so many tokens
};
// Of a few tokens and of more. rough: of the few alone, so that what does not grow counts with every token.
PassProbe probe_pass(const Model& model, const WalkPlan& plan, bool rough = false);

// Bytes of edited copies of a text, packed in one pass, the unedited one among them.
struct EditCost {
  int64_t fixed = 0, each = 0;
  int64_t of(int64_t copies) const { return fixed + each * copies; }
};
inline constexpr int64_t kFewestCopies = 2;  // the unedited one and another

}  // namespace hindscan
