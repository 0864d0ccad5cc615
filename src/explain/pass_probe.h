// What a short pass shows of the cost of a long one.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "explain/walk_plan.h"

namespace hindscan {

// What attention keeps of each token.
struct KeyCache {
  std::string slot;    // of the state, "blocks.3.mixer.k"; the values' slot is beside it
  int64_t bytes = 0;   // of a token, keys and values
  int64_t window = 0;  // > 0: a token sees itself and the window - 1 before it
  // Rows after so many tokens.
  int64_t rows(int64_t tokens) const { return window > 0 ? std::min(window - 1, tokens) : tokens; }
};

struct PassProbe {
  int64_t tape = 0;         // bytes of a recorded token, without adjoints
  double seconds = 0;       // of a recorded token; of a rough probe before everything is warm
  bool whole = false;       // cannot be walked in chunks
  bool one_length = false;  // reads texts of one length only
  bool reordered = false;   // tokens do not stay in the text's order
  std::vector<int> quadratic_layers;
  double pair_flops = 0;  // of attention without a window, per pair of tokens

  int64_t state = 0;  // bytes of what a sequence carries, keys and values of attention apart
  std::vector<KeyCache> caches;
  int64_t cached() const;                     // bytes of a token in those without a window
  int64_t state_bytes(int64_t tokens) const;  // of what does not grow after so many tokens
};
// A rough probe will do for so many tokens, and where they take at most such a part of the memory there is.
inline constexpr int64_t kShortText = 256, kFarBelow = 4;
// Of a few tokens and of more. rough: of the few alone, so that what does not grow counts with every token.
PassProbe probe_pass(const Model& model, const WalkPlan& plan, bool rough = false);

// Bytes of edited copies of a text, packed in one pass, the unedited one among them.
struct EditCost {
  int64_t fixed = 0, each = 0;
  int64_t of(int64_t copies) const { return fixed + each * copies; }
};
inline constexpr int64_t kFewestCopies = 2;  // the unedited one and another

}  // namespace hindscan
