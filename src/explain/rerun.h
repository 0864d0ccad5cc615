// The model run again on edited texts, from a state that the walk kept at a border before them.
#pragma once
#include <span>
#include <string_view>

#include "explain/edit.h"
#include "explain/report.h"

namespace hindscan {

inline constexpr int64_t kPackedTokens = 4096;  // of a pass over edited copies, where memory allows

// Runs the edits, tokens of the report's window, packed as sequences of passes; fills `measured` and `changed`. what:
// the task that progress names. Error(kInternal) when the writes of some mixer cannot be dropped: such an edit would
// measure a zero that means nothing; Error(kResource) when two copies of the window do not fit request.mem_limit.
// log_p: by each edit, the change of the logarithm of the target's probability as well.
void measure_edits(const Model& model, const ExplainRequest& request, const ExplainReport& report,
                   std::span<Edit> edits, ProgressSink* progress = nullptr, std::string_view what = "edits",
                   std::vector<double>* log_p = nullptr);

}  // namespace hindscan
