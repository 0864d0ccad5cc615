// A page that explores one explanation: complete in itself, offline, and deaf to whatever the tokens say.
#pragma once
#include <cstddef>
#include <string>

#include "explain/pieces.h"
#include "explain/report.h"

namespace hindscan::viewer {

// by: the grouping that the page opens with. title: the answer in a sentence, its first line.
std::string html_report(const ExplainReport& report, size_t shown_method = 0, PieceBy by = PieceBy::kToken,
                        const std::string& title = {});

}  // namespace hindscan::viewer
