// Which edits of a text are really run: what stands in a token's place, and which tokens change together.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/rng.h"
#include "explain/edit.h"
#include "explain/plausible_tokens.h"
#include "model/model.h"

namespace hindscan {

// `count` replacements of each token in [first, last), those of a token after each other.
std::vector<Edit> draw_plausible(const PlausibleTokens& plausible, int64_t first, int64_t last, int64_t count,
                                 Rng& rng);
std::vector<Edit> draw_random(std::span<const int32_t> tokens, int64_t vocab, int64_t first, int64_t last,
                              int64_t count, Rng& rng);
std::vector<Edit> removals(int64_t first, int64_t last);

// Replacements that are made together: of `share` of the tokens (at least one), a drawn one of each token's edits.
// edits: as draw_plausible() gives them, `each` a token. Indices into edits.
std::vector<std::vector<size_t>> draw_masks(size_t edits, int64_t each, double share, int64_t count, Rng& rng);

}  // namespace hindscan
