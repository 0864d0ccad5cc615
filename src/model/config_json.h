// config.json <-> Config.
#pragma once
#include <string>
#include <string_view>

#include "core/config.h"
#include "io/json.h"

namespace hindscan {

// Error(kData) unless an object. {"__float__": "Infinity"} is the number, as Hugging Face writes it.
Config config_from_json(const Json& json, const std::string& label);
Json config_to_json(const Config& config);  // config_from_json gives the same Config back
// A file of at most limit::kConfigBytes. Infinity, -Infinity and NaN are read as Python's json writes them.
Config parse_config(std::string_view text, const std::string& label);
Config load_config(const std::string& path);

}  // namespace hindscan
