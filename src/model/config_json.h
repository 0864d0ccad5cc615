// config.json <-> Config: nested objects become dotted keys, lists numbered ones; nulls are left out.
#pragma once
#include <string>

#include "core/config.h"
#include "io/json.h"

namespace hindscan {

Config config_from_json(const Json& json, const std::string& label);  // Error(kData) unless an object
Json config_to_json(const Config& config);                            // config_from_json gives the same Config back

}  // namespace hindscan
