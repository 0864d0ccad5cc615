// What might stand in a token's place, by what the model itself would have written there.
#pragma once
#include <map>
#include <span>
#include <vector>

#include "base/rng.h"
#include "model/model.h"

namespace hindscan {

// `count` texts in the place of one: every token but the first `kept` is drawn, on its own, by what the model expects
// behind the true tokens before it, and is another one; the first of all by what it expects behind that.
std::vector<std::vector<int32_t>> plausible_texts(const Model& model, std::span<const int32_t> tokens,
                                                  const SequenceState* before, int64_t kept, size_t count, Rng& rng);

class PlausibleTokens {
 public:
  // For each position of `tokens`, or for some of them; before: the state in front of the text, null for the model's
  // own start. [positions, vocab] is kept.
  PlausibleTokens(const Model& model, std::span<const int32_t> tokens);
  PlausibleTokens(const Model& model, std::span<const int32_t> tokens, std::span<const int64_t> positions,
                  const SequenceState* before);
  // By the model's distribution after the tokens before `position`, other than the token there. At position 0, before
  // which there is nothing: by the one at another place that is kept, which the draw chooses.
  int32_t draw(int64_t position, Rng& rng) const;

 private:
  std::span<const int32_t> tokens_;
  std::map<int64_t, std::vector<float>> weights_;  // by the token before, [vocab] of what follows it, the largest 1
};

}  // namespace hindscan
