#include "explain/rerun.h"

#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "base/memory.h"
#include "base/signals.h"
#include "explain/edited_batch.h"
#include "explain/explain_plan.h"
#include "explain/writes.h"

namespace hindscan {

const char* edit_name(EditKind kind) {
  constexpr const char* names[] = {"replace", "drop-write", "remove"};
  return names[static_cast<size_t>(kind)];
}

namespace {

// As many as share a pass: kPackedTokens and the limit allow it. Two are too many where the model is too large.
size_t copies_at_once(const Model& model, const ExplainRequest& r, const Window& w) {
  const int64_t limit = memory_within(r.mem_limit) - score_bytes(model, r);
  EditCost cost = w.edit_cost;
  if (cost.each == 0 || cost.of(kFewestCopies) > limit / kFarBelow)
    cost = edit_cost(model, r, w.probe, w.first, w.last);
  check(cost.of(kFewestCopies) <= limit, ErrorCode::kResource,
        "[edits] expected at least {} MiB for two copies of the last {}, found {} MiB; raise the limit or leave "
        "the edits out",
        (cost.of(kFewestCopies) >> 20) + 1, counted(w.last - w.first, "token"), std::max<int64_t>(limit, 0) >> 20);
  const int64_t most =
      std::min(kPackedTokens / (w.last - w.first), (limit - cost.fixed) / std::max<int64_t>(cost.each, 1));
  return static_cast<size_t>(std::max(kFewestCopies, most));
}

}  // namespace

void measure_edits(const Model& model, const ExplainRequest& request, const ExplainReport& report,
                   std::span<Edit> edits, ProgressSink* sink, std::string_view what, std::vector<double>* log_p) {
  if (log_p != nullptr) log_p->clear();
  if (edits.empty()) return;
  const Window& w = report.window;
  const std::span<const int32_t> tokens(request.tokens);
  const auto range = [&](int64_t a, int64_t b) {
    return tokens.subspan(static_cast<size_t>(a), static_cast<size_t>(b - a));
  };
  const size_t at_once = copies_at_once(model, request, w) - 1;  // beside the unedited one
  SequenceState before = w.state;
  if (w.first > w.state_at) {  // in one pass
    const RunSequence rest{range(w.state_at, w.first), &before};
    Runner(model, w.first - w.state_at).feed({&rest, 1});
  }
  const std::span<const int32_t> few = first_few(w.probe, range(w.first, w.last));
  PassRoom room;
  if (std::any_of(edits.begin(), edits.end(), [](const Edit& e) { return e.kind == EditKind::kDropWrite; }))
    verify_writes(model, few, SequenceState(), w.writes, room);  // beside a huge state they may vanish
  ProgressTask progress(sink, what, "edits", edits.size());
  std::vector<double> log_ps;  // of a batch
  for (size_t i = 0; i < edits.size(); i += at_once) {
    throw_if_stopped();
    const std::span<Edit> some = edits.subspan(i, std::min(at_once, edits.size() - i));
    EditedBatch batch(range(w.first, w.last), w.first, w.writes, room);
    for (const Edit& e : some) batch.add(e);
    const std::vector<double> values = batch.values(model, before, report.target, log_p == nullptr ? nullptr : &log_ps);
    verify_found(batch.silenced, w.writes);
    const double noise = (model.compute() == DType::kF64 ? 1e-13 : 1e-6) * std::max(1.0, std::abs(values[0]));
    for (size_t e = 0; e < some.size(); ++e) {
      const double change = values[e + 1] - values[0];
      some[e].measured = std::abs(change) <= noise ? 0 : change;
      some[e].changed = batch.changed[e + 1] != 0;
      if (log_p != nullptr) log_p->push_back(log_ps[e + 1] - log_ps[0]);
    }
    progress.step(some.size());
  }
}

}  // namespace hindscan
