// The files of models/english inside the program, so that a copied program has its model with it.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace hindscan {

struct EmbeddedModel {
  std::string_view config, tokenizer;
  std::span<const uint8_t> weights;  // 64-byte aligned
};
const EmbeddedModel& embedded_english();

}  // namespace hindscan
