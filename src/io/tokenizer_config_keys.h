// The keys of tokenizer_config.json that change no ids, each with the reason; what is neither read nor listed is said.
#pragma once
#include "io/json_reader.h"

namespace hindscan {

void say_unused_config_keys(const JsonReader& config, std::string_view label);
bool names_a_special_token(std::string_view key);  // "bos_token", and any other "..._token" but the two switches

}  // namespace hindscan
