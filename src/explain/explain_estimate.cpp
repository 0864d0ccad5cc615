// What a request will take, measured: parts of it are explained on this machine.
#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "explain/cost_fit.h"
#include "explain/edited_batch.h"
#include "explain/explainer.h"
#include "explain/rerun.h"
#include "explain/text_state.h"

namespace hindscan {

namespace {

// Times parts of a request: n of its tokens where the middle of the text would be, or its end.
class RequestSample {
 public:
  RequestSample(const Model& model, const ExplainRequest& request, const ExplainPlan& plan)
      : model_(model), request_(request), plan_(plan), T_(plan.estimate.tokens) {
    for (const MethodSpec& m : request.methods) {
      if (m.reruns() == 0 && m.own_walks() == 0) shared_.push_back(m);
    }
  }

  // What the walk there and back grows with: each chunk but the last is recorded twice.
  Amounts work(int64_t n) const {
    const double tokens = static_cast<double>(n);
    if (plan_.probe.whole) return {tokens * tokens, tokens};
    const int64_t all = (T_ + plan_.estimate.chunk - 1) / plan_.estimate.chunk;
    return {static_cast<double>(n == T_ ? all : chunks()), tokens};
  }
  int64_t most() const { return plan_.probe.one_length ? T_ : std::min(T_, chunks() * plan_.estimate.chunk); }
  int64_t first() const { return chunked() && !plan_.probe.caches.empty() ? 16 * chunks() : 16; }

  double shared(int64_t n) const { return explained(n, shared_, middle(n)); }
  double shared_at_start(int64_t n) const { return explained(n, shared_, start()); }

  // What the method's own walks add.
  double own_walks(int64_t n, const MethodSpec& m) const {
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
  bool chunked() const { return T_ > plan_.estimate.chunk; }
  // Attention is checked in 16 rows of a chunk, however long it is: in short chunks little else would be seen.
  int64_t chunks() const { return !chunked() ? 1 : plan_.probe.caches.empty() ? kSampleChunks : 2; }
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
    few.progress = nullptr;
    few.state_in = before.empty() ? nullptr : &before;
    const int64_t chunk = plan_.probe.whole ? n : (n + chunks() - 1) / chunks();
    const ExplainPlan plan{plan_.probe, {}, {.tokens = n, .chunk = chunk, .parts = {1.0}, .quadratic_layers = {}}};
    return seconds_of([&] { run_explainer(model_, few, plan, n - 1); });
  }

  const Model& model_;
  const ExplainRequest& request_;
  const ExplainPlan& plan_;
  int64_t T_;
  std::vector<MethodSpec> shared_;  // those that need the shared walk alone
};

MethodSpec with_steps(MethodSpec m, int64_t steps) {
  std::erase_if(m.options, [&](const auto& option) { return option.first == m.info().steps; });
  m.set(m.info().steps, std::to_string(steps));
  return m;
}

struct TimedPart {
  int64_t tokens = 0;
  double seconds = 0;
};

// What part(n) takes over all tokens; the last part that was timed, where asked for.
double seconds_of_all(const RequestSample& sample, int64_t tokens, const std::function<double(int64_t)>& part,
                      TimedPart* last = nullptr) {
  CostFit fit;
  TimedPart timed;
  const auto foretold = [&] { return fit.seconds(sample.work(tokens)); };
  const auto take = [&](int64_t few) {
    timed = {few, part(few)};
    fit.add(sample.work(few), timed.seconds);
    return timed.seconds;
  };
  sample_growing(sample.first(), sample.most(), take, foretold);
  if (last != nullptr) *last = timed;
  return foretold();
}

}  // namespace

void time_plan(const Model& model, const ExplainRequest& r, int64_t target, ExplainPlan& p) {
  if (p.probe.one_length) return;  // of parts of the text this model knows nothing: the guess stands
  ExplainEstimate& e = p.estimate;
  const RequestSample sample(model, r, p);
  const auto all = [&](const std::function<double(int64_t)>& part) { return seconds_of_all(sample, e.tokens, part); };
  TimedPart last;
  UnitSeconds unit;
  unit.shared = seconds_of_all(
      sample, e.tokens, [&](int64_t few) { return sample.shared(few); }, &last);
  unit.walk = [&](const MethodSpec& m) {
    constexpr int64_t kSteps = 3;
    const MethodSpec few = with_steps(m, kSteps);
    return all([&](int64_t tokens) { return sample.own_walks(tokens, few); }) / static_cast<double>(few.own_walks());
  };
  const int64_t window = target + 1 - window_first(p.probe, target);
  if (!r.tokens.empty()) unit.edited_token = sample.edited_token(std::min(last.tokens, window));
  set_seconds(r, unit, window, e);
  e.quadratic_seconds = 0;
  if (!e.quadratic_layers.empty() && !p.probe.whole)
    e.quadratic_seconds = (e.seconds - e.plan_seconds - e.causal_seconds) *
                          std::max(0.0, 1 - sample.shared_at_start(last.tokens) / last.seconds);
}

std::string to_text(const ExplainEstimate& e) {
  std::string out = fmt::format("{}: about {:.0f} s and {} MiB", counted(e.tokens, "token"), std::ceil(e.seconds),
                                (e.bytes >> 20) + 1);
  if (e.quadratic_layers.empty()) return out;
  return out + fmt::format(", {:.0f} s of it in the attention of layers {}, which grows with the square of the tokens",
                           std::ceil(e.quadratic_seconds), fmt::join(e.quadratic_layers, ", "));
}

}  // namespace hindscan
