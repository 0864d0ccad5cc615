// Base64 with padding (RFC 4648).
#pragma once
#include <cstdint>
#include <span>
#include <string>

namespace hindscan::viewer {

std::string base64(std::span<const uint8_t> bytes);

}  // namespace hindscan::viewer
