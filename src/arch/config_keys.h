// The keys of a config.json that change no number here, each with the reason. A family asks for the keys it honours
// and refuses values it cannot; what is neither asked for nor listed is unknown, and said.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "core/config.h"

namespace hindscan {

class Architecture;

struct KeyNote {
  std::string key;
  const char* why;
  const char* copy_of = nullptr;  // the key that is read, where this one repeats it
};

std::span<const KeyNote> common_keys();  // of every Hugging Face configuration
std::span<const KeyNote> fla_keys();     // of every configuration of flash-linear-attention
// Settings of any family that would change what the weights mean. Error(kData).
void refuse_common_keys(const Config& config);
// Keys of a configuration that records which were asked for; a nested one as "outer.inner".
std::vector<std::string> unknown_keys(const Config& config, const Architecture& architecture);
// Copies that say another thing than the key that is read, as sentences.
std::vector<std::string> differing_copies(const Config& config, const Architecture& architecture);

}  // namespace hindscan
