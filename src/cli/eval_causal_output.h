// The tables of 'hindscan eval causal' for a terminal: a few sentences first, then one table a kind of edit.
#pragma once
#include <string>

#include "eval/causal_table.h"

namespace hindscan::cli {

std::string causal_text(const CausalTable& table);

}  // namespace hindscan::cli
