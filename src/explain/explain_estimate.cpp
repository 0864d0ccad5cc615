// What a request will take, measured: parts of it are explained on this machine.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/counted.h"
#include "explain/cost_fit.h"
#include "explain/edited_batch.h"
#include "explain/explainer.h"
#include "explain/rerun.h"
#include "explain/scan_estimate.h"
#include "explain/shapley_cost.h"
#include "explain/text_state.h"

namespace hindscan {

namespace {

constexpr int64_t kFirstEntries = 64;  // tokens of the first part whose maps are made

// Times parts of a request: n of its tokens where the middle of the text would be, or its end.
class RequestSample {
 public:
  RequestSample(const Model& model, const ExplainRequest& request, const ExplainPlan& plan)
      : model_(model), request_(request), plan_(plan), T_(plan.estimate.tokens) {
    for (const MethodSpec& m : request.methods) {
      if (m.reruns() == 0 && m.own_walks() == 0 && !m.scans() && !m.makes_maps() && !m.info().orders)
        shared_.push_back(m);
    }
  }

  // What the walk there and back grows with.
  Amounts work(int64_t n) const { return work(n, chunk_of(n)); }
  Amounts all_work() const { return work(T_, plan_.estimate.chunk); }
  int64_t all() const { return T_; }
  int64_t most() const { return std::min(T_, chunks() * plan_.estimate.chunk); }
  int64_t first() const { return plan_.probe.caches.empty() ? kFirstTokens : kFirstTokens * chunks(); }

  double shared(int64_t n) const { return explained(n, shared_, middle(n)); }
  // The part of shared(n) that attention takes over the tokens before those n; without any: nothing.
  std::optional<double> share_of_tokens_before(int64_t n, double shared_seconds) const {
    const int64_t before = (T_ - n) / 2 + (request_.state_in == nullptr ? 0 : request_.state_in->tokens);
    if (before == 0 || plan_.probe.whole) return std::nullopt;
    return std::max(0.0, 1 - explained(n, shared_, SequenceState()) / shared_seconds);
  }

  // What a method adds that has no part in the shared walk.
  double alone(int64_t n, const MethodSpec& m) const {
    const SequenceState state = middle(n);
    return std::max(0.0, explained(n, {m}, state) - explained(n, {}, state));
  }

  // A token of an edited text, at the end of the text.
  double edited_token(int64_t n) const {
    const SequenceState before = plan_.probe.whole ? start() : state_after(T_ - n);
    const double seconds = seconds_of([&] {
      PassRoom room;
      const Writes writes;
      EditedBatch batch(tokens(n), 0, writes, room);
      batch.add({.kind = EditKind::kReplace, .position = 0, .replacement = request_.tokens[0]});
      batch.run(model_, before);
    });
    return seconds / static_cast<double>(kFewestCopies * n);
  }

 private:
  // Attention is checked in 16 rows of a chunk, however long it is: in short chunks little else would be seen.
  int64_t chunks() const { return T_ <= plan_.estimate.chunk ? 1 : plan_.probe.caches.empty() ? kSampleChunks : 2; }
  int64_t chunk_of(int64_t n) const { return (n + chunks() - 1) / chunks(); }
  Amounts work(int64_t n, int64_t chunk) const {
    const double tokens = static_cast<double>(n);
    if (plan_.probe.whole) return {tokens * tokens, tokens};
    const int64_t passes = (n + chunk - 1) / chunk;
    return {static_cast<double>(passes), tokens};
  }
  std::span<const int32_t> tokens(int64_t n) const { return std::span(request_.tokens).first(static_cast<size_t>(n)); }

  SequenceState start() const { return request_.state_in == nullptr ? SequenceState() : *request_.state_in; }
  SequenceState state_after(int64_t t) const {
    return plan_.probe.caches.empty() ? start()
                                      : long_text_state(model_, request_.tokens, request_.state_in, plan_.probe, t);
  }
  SequenceState middle(int64_t n) const { return plan_.probe.whole ? start() : state_after((T_ - n) / 2); }

  double explained(int64_t n, const std::vector<MethodSpec>& methods, const SequenceState& before) const {
    const int64_t F = model_.arch().sizes().feature_dim;
    ExplainRequest few = request_;
    few.tokens.resize(F > 0 ? 0 : static_cast<size_t>(n));
    few.features.resize(static_cast<size_t>(F * n));
    few.methods = methods;
    few.answer = 0;  // a part of the text has an answer of its own
    few.progress = nullptr;
    few.state_in = before.empty() ? nullptr : &before;
    const ExplainPlan plan{plan_.probe,
                           {},
                           {.tokens = n,
                            .chunk = std::min(chunk_of(n), plan_.estimate.chunk),
                            .parts = {1.0},
                            .further = {},
                            .quadratic_layers = {}}};
    return seconds_of([&] { run_explainer(model_, few, plan, n - 1); });
  }

  const Model& model_;
  const ExplainRequest& request_;
  const ExplainPlan& plan_;
  int64_t T_;
  std::vector<MethodSpec> shared_;  // those that need the shared walk alone
};

MethodSpec with_steps(MethodSpec m, int64_t steps) {
  std::erase_if(m.options, [&](const auto& option) { return option.first == m.steps_option(); });
  m.set(m.steps_option(), std::to_string(steps));
  return m;
}

struct TimedPart {
  int64_t tokens = 0;
  double seconds = 0;
};

// What part(n) takes over all tokens; the last part that was timed, where asked for.
double seconds_of_all(const RequestSample& sample, const std::function<double(int64_t)>& part,
                      TimedPart* last = nullptr) {
  CostFit fit;
  TimedPart timed;
  const auto foretold = [&] { return fit.seconds(sample.all_work()); };
  const auto take = [&](int64_t few) {
    timed = {few, part(few)};
    fit.add(sample.work(few), timed.seconds);
    return timed.seconds;
  };
  sample_growing(sample.first(), sample.most(), take, foretold);
  if (last != nullptr) *last = timed;
  return foretold();
}

// Of a method that makes every entry of the maps.
double seconds_of_entries(const RequestSample& sample, const MethodSpec& m) {
  CostFit fit;
  const auto work = [](int64_t n) {
    const auto tokens = static_cast<double>(n);
    return Amounts{tokens, tokens * tokens};
  };
  const auto foretold = [&] { return fit.seconds(work(sample.all())); };
  const auto take = [&](int64_t few) {
    const double seconds = sample.alone(few, m);
    fit.add(work(few), seconds);
    return seconds;
  };
  sample_growing(kFirstEntries, sample.all(), take, foretold);
  return foretold();
}

}  // namespace

void time_plan(const Model& model, const ExplainRequest& r, int64_t target, ExplainPlan& p) {
  if (p.probe.one_length) return;  // of parts of the text this model knows nothing: the guess stands
  ExplainEstimate& e = p.estimate;
  const RequestSample sample(model, r, p);
  TimedPart last;
  UnitSeconds unit;
  unit.shared = seconds_of_all(
      sample, [&](int64_t few) { return sample.shared(few); }, &last);
  unit.walk = [&](const MethodSpec& m) {
    constexpr int64_t kSteps = 3;
    const MethodSpec few = with_steps(m, kSteps);
    const double seconds = seconds_of_all(sample, [&](int64_t tokens) { return sample.alone(tokens, few); });
    return seconds / static_cast<double>(few.own_walks());
  };
  unit.scan = [&](const MethodSpec& m) { return time_scan(model, r, first_place(r, target), p, m); };
  unit.orders = [&](const MethodSpec& m) {
    return shapley_tokens(model, r, first_place(r, target), m) * read_token_seconds(model, r);
  };
  unit.maps = [&](const MethodSpec& m) { return seconds_of_entries(sample, m); };
  const int64_t window = target + 1 - window_first(p.probe, first_place(r, target));
  if (p.edits.each > 0) unit.edited_token = sample.edited_token(std::min(last.tokens, window));
  const auto explaining = [&] { return e.seconds - e.plan_seconds - e.causal_seconds; };
  double quadratic = e.quadratic_seconds / explaining();  // by the guess
  if (!e.quadratic_layers.empty())
    quadratic = sample.share_of_tokens_before(last.tokens, last.seconds).value_or(quadratic);
  set_seconds(r, unit, window, e);
  e.quadratic_seconds = quadratic * explaining();
}

void improve_seconds(const Model& model, const ExplainRequest& r, int64_t target, ExplainPlan& p) {
  const ExplainEstimate& e = p.estimate;
  if (e.seconds < kWorthTiming) return;
  const bool scans = std::any_of(r.methods.begin(), r.methods.end(), [](const MethodSpec& m) { return m.scans(); });
  const double each = (scans ? e.seconds * static_cast<double>(kFirstScanned)
                             : e.parts[0] * static_cast<double>(kFirstTokens)),
               first = each / static_cast<double>(e.tokens);
  if (first <= kSmallShare * e.seconds)
    time_plan(model, r, target, p);
  else
    p = make_explain_plan(model, r, target);  // all it needs is in memory by now
}

std::string to_text(const ExplainEstimate& e) {
  std::string out = fmt::format("{}: about {:.0f} s and {} MiB", counted(e.tokens, "token"), std::ceil(e.seconds),
                                (e.bytes >> 20) + 1);
  if (!e.further.empty())
    out += fmt::format(" (up to {:.0f} s where the scan finds itself poor and reaches further)",
                       std::ceil(std::accumulate(e.further.begin(), e.further.end(), e.seconds)));
  if (e.quadratic_layers.empty()) return out;
  return out + fmt::format(", {:.0f} s of it in the attention of layers {}, which grows with the square of the tokens",
                           std::ceil(e.quadratic_seconds), fmt::join(e.quadratic_layers, ", "));
}

}  // namespace hindscan
