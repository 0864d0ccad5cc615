// One remark on the keys of a file that nobody here knows.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace hindscan {

// Names the first ten of them, each once; nothing for none.
void note_unknown_keys(std::string_view file, std::vector<std::string> keys);

}  // namespace hindscan
