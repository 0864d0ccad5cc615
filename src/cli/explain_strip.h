// The text of an explanation with its scores below or behind the words.
#pragma once
#include <string>

#include "cli/explain_output.h"

namespace hindscan::cli {

// A long text shows what stands before the target. Words whose edit was really run are marked, where others were not.
std::string explain_strip(const ExplainReport& report, const MethodReport& method, const ExplainView& view);
// The largest score in it, which its colours and bars are relative to.
double strip_scale(const ExplainReport& report, const MethodReport& method, PieceBy by);
bool marks_runs(const MethodReport& method);  // some were run, and not all

}  // namespace hindscan::cli
