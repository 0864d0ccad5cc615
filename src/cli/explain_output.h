// What a person sees of an explanation in the terminal.
#pragma once
#include <string>
#include <vector>

#include "cli/heatmap.h"
#include "explain/pieces.h"
#include "explain/report.h"

namespace hindscan::cli {

struct ExplainView {
  HeatmapStyle style;
  std::string show;      // method of the heatmap; empty: see shown_method()
  int64_t top = 10;      // rows of the table of sources
  bool details = false;  // all methods, how they add up and agree with edits, layers, the cost
  PieceBy by = PieceBy::kToken;
};

std::string explain_text(const ExplainReport& report, const ExplainView& view);

}  // namespace hindscan::cli
