// The table in a few plain sentences, the worst of it first.
#pragma once
#include <string>
#include <vector>

#include "eval/causal_table.h"

namespace hindscan {

std::vector<std::string> causal_words(const CausalTable& table);

// Index into the figures of a row; of accuracy_figures().
size_t figure_index(const char* name);

}  // namespace hindscan
