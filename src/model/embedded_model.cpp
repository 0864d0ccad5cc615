#include "model/embedded_model.h"

#include <hindscan_paths.h>

// The assembler reads the files; the build makes this anew when one changes.
#define HS_FILE(name, file)                                                                                           \
  asm(".section .rodata\n.balign 64\nhs_" name ":\n.incbin \"" HINDSCAN_SOURCE_MODELS "/english/" file "\"\nhs_" name \
      "_end:\n.previous\n")
HS_FILE("config", "config.json");
HS_FILE("tokenizer", "tokenizer.json");
HS_FILE("weights", "model.safetensors");

extern "C" {
extern const char hs_config[], hs_config_end[], hs_tokenizer[], hs_tokenizer_end[];
extern const uint8_t hs_weights[], hs_weights_end[];
}

namespace hindscan {

const EmbeddedModel& embedded_english() {
  static const EmbeddedModel model = {
      {hs_config, hs_config_end}, {hs_tokenizer, hs_tokenizer_end}, {hs_weights, hs_weights_end}};
  return model;
}

}  // namespace hindscan
