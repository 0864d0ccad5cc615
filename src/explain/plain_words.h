// What the names of methods say in words.
#pragma once
#include <string>
#include <string_view>

namespace hindscan {

// Of MethodReport::name: "row" -> "which tokens the layers read from, on average over layers and channels".
std::string method_words(std::string_view name);

}  // namespace hindscan
