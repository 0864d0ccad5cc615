// The pieces of a text that a scan takes out, one at a time.
#pragma once
#include <vector>

#include "explain/edit.h"
#include "explain/pieces.h"

namespace hindscan {

// What a scan of this text takes out at once: as its spec says, or what people read the text by.
PieceBy taken_out_by(const Model& model, std::span<const int32_t> tokens, const MethodSpec& scan);

// Tokens that a tokenizer set in front of the text: no part of it.
int64_t set_in_front(const Model& model, std::span<const int32_t> tokens);

// Of the text's tokens before `end`, as many as `by` says together, but never all there are; of a text that is read
// whole for each, the last ones alone.
std::vector<Edit> removals(const Model& model, std::span<const int32_t> tokens, int64_t end, PieceBy by);

// Whether others that the model expects stand in the places of the strongest, too: a model that judges texts expects
// none.
bool replaces(const Model& model, PieceBy by, int64_t alternatives);

}  // namespace hindscan
