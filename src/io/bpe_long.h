// Byte-pair merging of very long words in little memory.
#pragma once
#include <cstdint>
#include <vector>

#include "io/bpe.h"

namespace hindscan {

// Merges the symbols ids[begin..] in place and shrinks `ids` to what is left. Same result as merging the lowest rank,
// leftmost pair again and again; time near linear, memory beside `ids` about half a byte a symbol.
void merge_long_word(std::vector<int32_t>& ids, size_t begin, const MergeTable& table);

}  // namespace hindscan
