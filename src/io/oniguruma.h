// Patterns of a tokenizer.json are in the dialect of Oniguruma (its Ruby syntax), which Hugging Face reads them with.
#pragma once
#include <string>
#include <string_view>

namespace hindscan {

// The same pattern for PCRE2 (UTF, UCP, MULTILINE). Error(kData) for what the two read differently and has no such
// form.
std::string pcre2_pattern(std::string_view oniguruma, const std::string& where);

}  // namespace hindscan
