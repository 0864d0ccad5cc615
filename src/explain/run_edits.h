// Edits of a text really run to the end, each from the state in front of it.
#pragma once
#include <span>
#include <vector>

#include "explain/edit.h"
#include "explain/report.h"

namespace hindscan {

// Change of the target for each edit of request.tokens up to target.first() (kReplace, kRemove), in any order. Removed
// tokens leave a gap: those behind keep their positions. A model that judges whole texts reads each text as a whole,
// without gaps.
std::vector<double> run_edits(const Model& model, const ExplainRequest& request, const TargetReport& target,
                              std::span<const Edit> edits, ProgressSink* progress = nullptr);
// Of several targets that are read at the same place, [targets][edits].
std::vector<std::vector<double>> run_edits_of(const Model& model, const ExplainRequest& request,
                                              std::span<const TargetReport> targets, std::span<const Edit> edits,
                                              ProgressSink* progress = nullptr);

inline constexpr int64_t kTextsAtOnce = 64;  // edited texts that share passes, where memory allows
// The same of a model that judges whole texts, the unedited one apart.
size_t whole_texts_at_once(int64_t tokens);

// Error(kUsage) for edits that are not of this kind or of these tokens, and for models that read vectors.
void check_edits(const Model& model, const TargetReport& target, std::span<const Edit> edits);

// The edited text from the edit to before token `end`; before: the state in front of the edited token.
struct PackedSequence;
PackedSequence edited_text(std::span<const int32_t> tokens, const Edit& edit, const SequenceState& before, int64_t end);

}  // namespace hindscan
