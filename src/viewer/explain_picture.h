// An explanation as one picture with its words: what was predicted, the text in colours, layers by tokens, scales.
#pragma once
#include <string>

#include "explain/pieces.h"
#include "explain/report.h"

namespace hindscan::viewer {

// PNG bytes. Short texts are written out; of long ones a ribbon is drawn, its peaks named. method: index into the
// report's.
std::string explain_png(const ExplainReport& report, size_t method, PieceBy by = PieceBy::kToken);

}  // namespace hindscan::viewer
