// What is said below the tables of an explanation: what they show, what was held, and how it was checked.
#pragma once
#include <string>
#include <string_view>

#include "explain/pieces.h"
#include "explain/report.h"

namespace hindscan::cli {

inline constexpr size_t kTableColumns = 106;  // of the table of methods

// "head    text" in lines that begin under the text; without a head where the line does.
std::string paragraph(std::string_view head, std::string_view text, size_t columns = kTableColumns);
std::string remark(const MethodReport& method);  // its label, if it has one

// Paragraphs no wider than the table of methods.
std::string explain_notes(const ExplainReport& report, const MethodReport& shown, PieceBy by);

}  // namespace hindscan::cli
