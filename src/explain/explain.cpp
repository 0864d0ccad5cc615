// What may be asked, and one explanation from the request to the report.
#include <sys/resource.h>

#include <chrono>
#include <set>

#include "base/counted.h"
#include "base/memory.h"
#include "explain/cost_fit.h"
#include "explain/explainer.h"
#include "explain/hops.h"
#include "explain/target_measure.h"
#include "explain/token_text.h"
#include "explain/usual_methods.h"

namespace hindscan {

namespace {

int64_t resolve_target(const Model& model, const ExplainRequest& r) {
  const int64_t T = explain_tokens(model, r);
  check(T > 0, ErrorCode::kUsage, "[explain] expected at least one token, found none; give a prompt");
  check(r.target == -1 || model.arch().sizes().labels == 0, ErrorCode::kUsage,
        "[explain] expected no target position, found {}: the model judges the whole text", r.target);
  if (r.answer > 0) return T - 2;
  const int64_t target = r.target < 0 ? T + r.target : r.target;
  check(target >= 0 && target < T, ErrorCode::kUsage,
        "[explain] expected a target in 0..{}, or from the end -1..-{}, found {}", T - 1, T, r.target);
  return target;
}

void check_measure(const Model& model, const ExplainRequest& r) {
  const TargetMeasure& measure = target_measure(r.measure);
  const ArchitectureSizes& sizes = model.arch().sizes();
  check(r.contrast != Contrast::kId || !measure.whole, ErrorCode::kUsage,
        "[explain] expected no contrast, found {}: {} of the target is against all other tokens", r.contrast_id,
        measure.noun);
  check(measure.names || !r.target_id, ErrorCode::kUsage, "[explain] expected no target token, found {}: {} is of none",
        r.target_id.value_or(0), measure.noun);
  check(!measure.whole || sizes.labels == 0 || (!sizes.regression && sizes.labels > 1), ErrorCode::kUsage,
        "[explain] expected the measure logit, found {}: the model gives a number", r.measure);
  std::set<int32_t> named;
  const auto once = [&](int32_t id) {
    check(named.insert(id).second, ErrorCode::kUsage, "[explain] expected each answer once, found \"{}\" ({}) twice",
          token_report(model, id).text, id);
  };
  if (r.target_id) once(*r.target_id);
  for (const int32_t id : r.target_also) once(id);
  if (r.contrast == Contrast::kId && (!r.target_also.empty() || !r.contrast_also.empty())) once(r.contrast_id);
  for (const int32_t id : r.contrast_also) once(id);
}

// Of an answer that the text ends with.
void check_answer(const Model& model, const ExplainRequest& r) {
  constexpr int64_t kLongest = 256;  // tokens: all of them are recorded at once
  check(r.answer >= 0, ErrorCode::kUsage, "[explain] expected an answer of 0 tokens or more, found {}", r.answer);
  if (r.answer == 0) return;
  const int64_t T = std::ssize(r.tokens);
  check(model.arch().sizes().labels == 0 && model.arch().sizes().feature_dim == 0, ErrorCode::kUsage,
        "[explain] expected no answer of {}: only a model that writes goes on with a text", counted(r.answer, "token"));
  check(r.answer <= kLongest && r.answer < T, ErrorCode::kUsage,
        "[explain] expected an answer of at most {} tokens behind some text, found {} of {}; explain its parts",
        kLongest, r.answer, counted(T, "token"));
  check(r.target == -1 && !r.target_id && r.contrast != Contrast::kId && r.hops == 1, ErrorCode::kUsage,
        "[explain] expected no other target, contrast or hops beside an answer that the text ends with, found some");
  check(r.measure == "log-p", ErrorCode::kUsage,
        "[explain] expected the measure log-p for an answer that the text ends with, found {}", r.measure);
  for (const MethodSpec& m : r.methods)
    check(m.info().targeted || r.answer == 1, ErrorCode::kUsage,
          "[explain] expected methods of whole answers, found {}: it speaks of a single place, not of all of an "
          "answer; name other methods",
          m.name);
}

void check_request(const Model& model, const ExplainRequest& r) {
  const int64_t V = model.arch().head().rows(), F = model.arch().sizes().feature_dim;
  check_reading(model, "explain", r.tokens, r.features);
  const auto known = [&](int32_t id, const char* what) {
    const bool judged = model.arch().sizes().labels > 0;
    check(id >= 0 && id < V, ErrorCode::kUsage, "[explain] expected a {} {} in 0..{}, found {}", what,
          judged ? "class" : "token id", V - 1, id);
  };
  if (r.target_id) known(*r.target_id, "target");
  if (r.contrast == Contrast::kId) known(r.contrast_id, "contrast");
  for (const int32_t id : r.target_also) known(id, "target");
  for (const int32_t id : r.contrast_also) known(id, "contrast");
  check_measure(model, r);
  check_answer(model, r);
  check(!r.methods.empty(), ErrorCode::kUsage, "[explain] expected at least one method, found none");
  for (const MethodSpec& m : r.methods)
    check(!m.info().edits || F == 0, ErrorCode::kUsage,
          "[explain] expected tokens that {} can take out, found vectors; name the other methods", m.name);
  for (const MethodSpec& m : r.methods)
    check(!m.info().writes || (model.arch().sizes().labels == 0 && F == 0), ErrorCode::kUsage,
          "[explain] expected a model that writes for {}, found one that judges texts or vectors; name other methods",
          m.name);
  check(r.chunk > 0, ErrorCode::kUsage, "[explain] expected a chunk of at least 1 token, found {}", r.chunk);
  check(r.hops >= 1, ErrorCode::kUsage, "[explain] expected 1 hop or more, found {}", r.hops);
  check(r.hops == 1 || (model.arch().sizes().labels == 0 && F == 0), ErrorCode::kUsage,
        "[explain] expected 1 hop, found {}: only a model that writes has answers of its own in the text", r.hops);
}

}  // namespace

ExplainEstimate estimate_explain(const Model& model, const ExplainRequest& request) {
  if (const auto possible = with_possible_methods(model, request)) return estimate_explain(model, *possible);
  check_request(model, request);
  const int64_t target = resolve_target(model, request);
  ExplainPlan plan = make_explain_plan(model, request, target);
  if (plan.estimate.bytes > memory_within(request.mem_limit)) return plan.estimate;
  if (plan.estimate.seconds < kWorthTiming) plan = make_explain_plan(model, request, target);  // the first was cold
  time_plan(model, request, target, plan);
  return plan.estimate;
}

ExplainReport explain(const Model& model, const ExplainRequest& request) {
  const bool given = request.state_in != nullptr && !request.state_in->empty();
  const SequenceState from_weights = given ? SequenceState() : model.initial_state();
  const SequenceState* start_state = from_weights.empty() ? nullptr : &from_weights;
  if (!given && request.state_in != start_state) {  // that of the weights has a share as any before the text has
    ExplainRequest with_start = request;
    with_start.state_in = start_state;
    return explain(model, with_start);
  }
  if (const auto possible = with_possible_methods(model, request)) return explain(model, *possible);
  const auto start = std::chrono::steady_clock::now();
  check_request(model, request);
  const int64_t target = resolve_target(model, request);
  const int64_t limit = memory_within(request.mem_limit);
  ExplainPlan plan = make_explain_plan(model, request, target);
  if (plan.estimate.bytes <= limit && request.on_estimate) improve_seconds(model, request, target, plan);
  check(plan.estimate.bytes <= limit, ErrorCode::kResource,
        "[explain] expected at most {} MiB, found {} in chunks of {}; raise the limit or explain fewer tokens",
        limit >> 20, to_text(plan.estimate), plan.estimate.chunk);
  if (request.on_estimate) request.on_estimate(plan.estimate);
  ExplainReport report = run_explainer(model, request, plan, target);
  if (request.hops > 1) report.hops = explain_hops(model, request, report);
  describe_tokens(model, request, report);
  report.left_out = request.left_out;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  report.peak_bytes = static_cast<int64_t>(usage.ru_maxrss) * 1024;
  return report;
}

}  // namespace hindscan
