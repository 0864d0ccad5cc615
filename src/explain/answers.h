// The answers that a target is about, by the names that people know them by.
#pragma once
#include <string>

#include "explain/report.h"

namespace hindscan {

std::string answer_name(const TargetReport& target);  // "head" between marks; of a group: "head" or "hands"
std::string other_name(const TargetReport& target);   // of the contrast

// As it is written behind the text: " head", of a group " head or hands".
std::string answer_written(const TargetReport& target);
std::string other_written(const TargetReport& target);

// As --target takes it, for documents: " head"; of a group " head| hands".
std::string answer_text(const TargetReport& target);
std::string other_text(const TargetReport& target);

// Which answers are pieces of words, and of which: `"ing" goes on with the last word: "walking".` Nothing where none
// is.
std::string pieces_of_words(const ExplainReport& report);

}  // namespace hindscan
