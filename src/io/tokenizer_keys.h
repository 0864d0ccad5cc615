// The keys of tokenizer.json: read, or listed with the reason why ids do not depend on them, or unknown and said.
#pragma once
#include "io/json_reader.h"

namespace hindscan {

// Remarks on settings that are not applied and on keys that nobody knows. Error(kData) for another version of the
// format and for a setting of the wrong type.
void say_unused_keys(const JsonReader& tokenizer, std::string_view label);

}  // namespace hindscan
