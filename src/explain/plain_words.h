// What the names of structures, notes and methods say in words.
#pragma once
#include <string>
#include <string_view>

namespace hindscan {

// Of MixerView::kind: "glr.element" -> "recurrence with a decay for each state and channel".
std::string structure_words(std::string_view kind);

// Of MixerView::notes: what a map takes as the constant it was on this text, besides the coefficients. Empty for none.
std::string held_words(std::string_view notes);

// Of MethodReport::name: "row" -> "which tokens the layers read from, on average over layers and channels".
std::string method_words(std::string_view name);

}  // namespace hindscan
