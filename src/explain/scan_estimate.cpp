#include "explain/scan_estimate.h"

#include <algorithm>

#include "explain/explainer.h"
#include "explain/run_edits.h"
#include "explain/scan_sample.h"

namespace hindscan {

namespace {

// Of a model that reads the text whole for every edit: some edits of the whole text.
ScanSeconds time_whole(const Model& model, const ExplainRequest& r, int64_t target, const ExplainPlan& plan,
                       std::span<const Edit> edits) {
  ExplainRequest alone = r;
  alone.methods.clear();
  alone.progress = nullptr;
  const ExplainPlan whole{
      plan.probe,
      {},
      {.tokens = target + 1, .chunk = target + 1, .parts = {1.0}, .further = {}, .quadratic_layers = {}}};
  const TargetReport report = run_explainer(model, alone, whole, target).target;
  const size_t some = std::min(edits.size(), whole_texts_at_once(target + 1));
  const double seconds = seconds_of([&] { run_edits(model, alone, report, edits.first(some)); });
  const size_t passes = (edits.size() + some - 1) / some;  // each with the unedited text
  ScanSeconds out;
  out.scan = seconds / static_cast<double>(some + 1) * static_cast<double>(edits.size() + passes);
  return out;
}

}  // namespace

ScanSeconds time_scan(const Model& model, const ExplainRequest& r, int64_t target, const ExplainPlan& plan,
                      const MethodSpec& scan) {
  ScanSample sample(model, r, target, plan, scan);
  if (sample.edits().empty()) return {};
  if (model.arch().sizes().labels > 0) return time_whole(model, r, target, plan, sample.edits());
  sample_growing(
      sample.first(), target + 1, [&](int64_t n) { return sample.take(n); }, [&] { return sample.foretold(); });
  ScanSeconds out = sample.seconds();
  out.further = sample.further_seconds();
  return out;
}

}  // namespace hindscan
