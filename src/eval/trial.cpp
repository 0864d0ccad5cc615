#include "eval/trial.h"

#include <algorithm>
#include <cmath>

#include "eval/causal.h"
#include "explain/counterfactual_scan.h"

namespace hindscan {
namespace {

constexpr TrialKind kKinds[kTrials] = {
    {"replace-plausible", "another token, drawn from what the model would have written there", EditKind::kReplace},
    {"remove", "the token is taken out, later ones keep their positions", EditKind::kRemove},
    {"replace-random", "any other token of the vocabulary: mostly texts that nobody writes", EditKind::kReplace},
    {"drop-write", "what the token writes into the states of the layers is dropped, in all of them",
     EditKind::kDropWrite},
};

// [first, last) of the edits of each token.
template <class F>
void each_token(const std::vector<Edit>& edits, F&& f) {
  for (size_t first = 0, last = 0; first < edits.size(); first = last) {
    while (last < edits.size() && edits[last].position == edits[first].position) ++last;
    f(first, last);
  }
}

double mean_size(std::span<const double> values) {
  double sum = 0;
  for (const double v : values) sum += std::abs(v);
  return sum / static_cast<double>(values.size());
}

double mean(std::span<const double> values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

Standing standing_of(const MethodReport& method, const Edit& e) {
  const Found found = method.found.empty() ? Found::kEstimated : method.found[static_cast<size_t>(e.position)];
  if (found == Found::kNotAsked) return Standing::kSilent;
  // Scores without a direction are compared by size, whatever the edit.
  if (e.kind == EditKind::kDropWrite && method.targeted && method.per_dropped_write == 0 && method.effect_of != e.kind)
    return Standing::kSilent;
  return found == Found::kMeasured && method.effect_of == e.kind ? Standing::kRunItself : Standing::kForetold;
}

// Of all edits alike: which of its own scores it had run, the strongest above all, would leave a chosen few.
Scoring::Foretold ask(const Model& model, const ExplainRequest& request, const ExplainReport& report,
                      const ScanReach& reach, std::span<const Edit> edits) {
  Scoring::Foretold out;
  for (const ScanResponse& r : scan_edits(model, request, report.target, edits, reach)) {
    out.changes.push_back(r.change);
    out.standing.push_back(r.exact ? Standing::kRunItself : Standing::kForetold);
  }
  return out;
}

bool can_be_asked(const MethodReport& method, const Trial& trial) {
  return method.reach && !trial.edits.empty() && trial.edits[0].kind != EditKind::kDropWrite;
}

}  // namespace

const TrialKind& trial_kind(size_t trial) { return kKinds[trial]; }

bool foretells_dropped_writes(const MethodReport& method) {
  if (method.per_dropped_write != 0) return true;
  return method.effect_of == EditKind::kDropWrite &&
         (method.found.empty() ||
          std::find(method.found.begin(), method.found.end(), Found::kEstimated) != method.found.end());
}

Scoring scoring_of(const Model& model, const ExplainRequest& request, const ExplainReport& report,
                   const MethodReport& method, const TextTrials& trials) {
  Scoring out{method.name, method.targeted, {method.scores().begin(), method.scores().end()}, {}};
  for (const Trial& trial : trials) {
    if (can_be_asked(method, trial)) {
      out.trials.push_back(ask(model, request, report, *method.reach, trial.edits));
      continue;
    }
    Scoring::Foretold foretold;
    if (method.targeted) foretold.changes = predicted_changes(request, report, method, method.total(), trial.edits);
    for (const Edit& e : trial.edits) foretold.standing.push_back(standing_of(method, e));
    out.trials.push_back(std::move(foretold));
  }
  return out;
}

Scoring nearness(int64_t tokens, const TextTrials& trials) {
  Scoring out{"1/distance", false, {}, {}};
  for (int64_t t = 0; t < tokens; ++t) out.scores.push_back(1.0 / static_cast<double>(tokens - t));
  for (const Trial& trial : trials) out.trials.push_back({{}, std::vector(trial.edits.size(), Standing::kForetold)});
  return out;
}

TextEdits pairs_of(const Trial& trial, const Scoring& scoring, const Scoring::Foretold& foretold, int64_t tokens) {
  TextEdits out;
  each_token(trial.edits, [&](size_t first, size_t last) {
    if (foretold.standing[first] != Standing::kForetold) return;
    const int64_t token = trial.edits[first].position;
    out.sizes.push_back(foretold.changes.empty() ? std::abs(scoring.scores[static_cast<size_t>(token)])
                                                 : mean_size(std::span(foretold.changes).subspan(first, last - first)));
    out.effects.push_back(mean_size(std::span(trial.changes).subspan(first, last - first)));
    out.distances.push_back(static_cast<double>(tokens - token));
    for (size_t i = first; i < last && !foretold.changes.empty(); ++i)
      out.edits.push_back({token, foretold.changes[i], trial.changes[i], trial.log_p[i]});
  });
  return out;
}

TextEdits halves_of(const Trial& trial, int64_t tokens) {
  TextEdits out;
  each_token(trial.edits, [&](size_t first, size_t last) {
    const size_t half = first + (last - first) / 2;
    if (half == first) return;
    const std::span<const double> one = std::span(trial.changes).subspan(first, half - first),
                                  other = std::span(trial.changes).subspan(half, last - half);
    const int64_t token = trial.edits[first].position;
    out.sizes.push_back(mean_size(one));
    out.effects.push_back(mean_size(other));
    out.distances.push_back(static_cast<double>(tokens - token));
    for (size_t i = half; i < last; ++i) out.edits.push_back({token, mean(one), trial.changes[i], trial.log_p[i]});
  });
  return out;
}

}  // namespace hindscan
