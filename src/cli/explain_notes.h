// What is said below the tables of an explanation: what they show, what was held, and how it was checked.
#pragma once
#include <string>

#include "explain/pieces.h"
#include "explain/report.h"

namespace hindscan::cli {

// Paragraphs no wider than the table of methods.
std::string explain_notes(const ExplainReport& report, const MethodReport& shown, PieceBy by);

}  // namespace hindscan::cli
