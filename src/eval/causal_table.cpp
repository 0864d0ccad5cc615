#include "eval/causal_table.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "base/counted.h"
#include "base/memory.h"
#include "base/signals.h"
#include "eval/causal_cost.h"
#include "eval/causal_rows.h"
#include "eval/edit_draw.h"
#include "eval/surrogate.h"
#include "explain/explain_plan.h"
#include "explain/pieces.h"
#include "explain/rerun.h"
#include "explain/run_edits.h"
#include "explain/target.h"
#include "model/pass_cost.h"

namespace hindscan {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class CausalEvaluation {
 public:
  CausalEvaluation(const Model& model, std::span<const EvalText> texts, const CausalOptions& options)
      : model_(model), texts_(texts), options_(options) {
    require_language_model(model);
    for (MethodSpec& m : options_.methods) {  // edits are of tokens here
      names_.push_back(m.text());
      if (m.takes("by")) m.set("by", piece_by_name(PieceBy::kToken));
    }
    const int64_t vocab = model.arch().head().rows();
    check(vocab > 1, ErrorCode::kData, "[eval] expected a vocabulary of at least 2 tokens, found {}", vocab);
    check(!texts.empty(), ErrorCode::kUsage, "[eval] expected at least one text, found none");
    for (const EvalText& text : texts)
      check(std::ssize(text.tokens) > text.fixed && std::ssize(text.tokens) <= kWindow, ErrorCode::kUsage,
            "[eval] expected texts of 1 to {} tokens, found one of {}", kWindow, text.tokens.size());
    for (const EvalText& text : texts)
      check(text.file < std::max<size_t>(options.files.size(), 1), ErrorCode::kUsage,
            "[eval] expected texts of one of {}, found one of file {}", counted(options.files.size(), "file"),
            text.file);
    most_ = tokens_at_once();
    table_.kinds.resize(kTrials);
  }

  CausalTable run() {
    const auto start = Clock::now();
    if (options_.on_estimate) options_.on_estimate(causal_cost(model_, texts_, options_, request_of(longest()), most_));
    ProgressTask progress(options_.progress, "evaluating", "texts", texts_.size());
    for (size_t i = 0; i < texts_.size(); ++i) {
      throw_if_stopped();
      add(texts_[i], options_.seed + i);
      progress.step();
    }
    table_.model = model_.name();
    table_.weights = model_.weights_hash();
    for (size_t k = 0; k < kTrials; ++k) {
      table_.kinds[k].kind = trial_kind(k);
      table_.kinds[k].rows = rows_.rows(k);
    }
    table_.many = rows_.many();
    table_.files = options_.files;
    for (const size_t k : {kPlausible, kRemoved}) {
      if (table_.files.size() > 1)
        table_.skill_by_file.push_back({trial_kind(k), rows_.by_file(k, "skill", table_.files.size())});
    }
    table_.seconds = seconds_since(start);
    return std::move(table_);
  }

 private:
  const EvalText& longest() const {
    return *std::max_element(texts_.begin(), texts_.end(),
                             [](const auto& a, const auto& b) { return a.tokens.size() < b.tokens.size(); });
  }

  int64_t memory() const { return memory_within(options_.mem_limit); }

  // Tokens of a pass over versions of a text, as many as the memory allows.
  int64_t tokens_at_once() const {
    const std::vector<int32_t>& tokens = longest().tokens;
    const int64_t T = std::ssize(tokens);
    const PassCost pass = running_cost(model_, tokens);
    const int64_t fit = (memory() - pass.fixed) / std::max<int64_t>(pass.per_token, 1);
    check(fit >= T, ErrorCode::kResource,
          "[eval] expected at least {} MiB for a text of {}, found {} MiB; raise the limit or take shorter texts",
          (pass.of(T) >> 20) + 1, counted(T, "token"), memory() >> 20);
    return std::clamp(fit / 2, T, kPackedTokens);
  }

  ExplainRequest request_of(const EvalText& text) const {
    ExplainRequest r;
    r.tokens = text.tokens;
    r.methods = options_.methods;
    r.causal_edits = 0;
    r.mem_limit = options_.mem_limit;
    return r;
  }

  void add(const EvalText& text, uint64_t seed) {
    rows_.next_text(text.file);
    const ExplainRequest request = request_of(text);
    const ExplainReport report = explain(model_, request);
    TextRunner runner(model_, text.tokens, report.target, most_);
    const TextTrials trials = run_trials(text, request, report, seed);
    Rng rng(seed, "masks");
    const Trial& plausible = trials[kPlausible];
    const MaskTrial masks =
        run_masks(runner, text.tokens, plausible.edits,
                  draw_masks(plausible.edits.size(), options_.alternatives, kMaskShare, options_.masks, rng));
    const int64_t T = std::ssize(text.tokens);
    for (size_t m = 0; m < report.methods.size(); ++m) {
      Scoring scoring = scoring_of(model_, request, report, report.methods[m], trials);
      scoring.name = names_[m];
      rows_.add(scoring, false, trials, T);
      add_many(scoring, false, text, masks, runner);
    }
    const Scoring near = nearness(T, trials);
    rows_.add(near, true, trials, T);
    rows_.add_halves(trials, T);
    add_many(near, true, text, masks, runner);
    add_random_order(text, runner, seed);
    rows_.add_many("ridge surrogate", true, ridge_surrogate(masks, plausible.edits, T), std::nullopt);
    add_truth(text, trials, masks, runner);
    table_.edited_texts += runner.texts_run() - 1;
    describe(text, report, trials);
  }

  TextTrials run_trials(const EvalText& text, const ExplainRequest& request, const ExplainReport& report,
                        uint64_t seed) {
    const int64_t T = std::ssize(text.tokens);
    Rng rng(seed, "edits");
    TextTrials out(kTrials);
    const PlausibleTokens plausible(model_, text.tokens);
    out[kPlausible].edits = draw_plausible(plausible, text.fixed, T, options_.alternatives, rng);
    out[kRemoved].edits = removals(text.fixed, T - 1);
    out[kRandom].edits =
        draw_random(text.tokens, model_.arch().head().rows(), text.fixed, T, options_.alternatives, rng);
    for (const size_t k : {kPlausible, kRemoved, kRandom}) run_each_once(request, report, out[k]);
    if (!std::any_of(report.methods.begin(), report.methods.end(), foretells_dropped_writes)) return out;
    Trial& dropped = out[kWriteDropped];
    for (int64_t t = text.fixed; t < T; ++t) dropped.edits.push_back({EditKind::kDropWrite, t, 0});
    measure_edits(model_, request, report, dropped.edits, nullptr, "edits", &dropped.log_p);
    table_.edited_texts += std::ssize(dropped.edits);
    for (const Edit& e : dropped.edits) dropped.changes.push_back(e.measured);
    return out;
  }

  // The same edit may have been drawn more than once.
  void run_each_once(const ExplainRequest& request, const ExplainReport& report, Trial& trial) {
    std::map<std::pair<int64_t, int32_t>, size_t> place;
    std::vector<Edit> once;
    for (const Edit& e : trial.edits) {
      if (place.try_emplace({e.position, e.replacement}, once.size()).second) once.push_back(e);
    }
    table_.edited_texts += std::ssize(once);
    const std::vector<TargetReport> targets{report.target, log_p_of(report.target)};
    const std::vector<std::vector<double>> changes = run_edits_of(model_, request, targets, once);
    for (const Edit& e : trial.edits) {
      const size_t at = place.at({e.position, e.replacement});
      trial.changes.push_back(changes[0][at]);
      trial.log_p.push_back(changes[1][at]);
    }
  }

  // Of scores that know the target: those for it first, those against it last; of others the sizes.
  void add_many(const Scoring& scoring, bool reference, const EvalText& text, const MaskTrial& masks,
                TextRunner& runner) {
    std::vector<double> order = scoring.scores;
    if (!scoring.targeted)
      std::transform(order.begin(), order.end(), order.begin(), [](double v) { return std::abs(v); });
    const Scoring::Foretold& foretold = scoring.trials[kPlausible];
    std::optional<double> sums;
    if (!foretold.changes.empty()) {
      std::vector<double> single = foretold.changes;
      for (size_t e = 0; e < single.size(); ++e) single[e] = foretold.standing[e] == Standing::kSilent ? 0 : single[e];
      sums = additivity(masks, single);
    }
    rows_.add_many(scoring.name, reference, sums, area(text, runner, order));
  }

  std::optional<Outcome> area(const EvalText& text, TextRunner& runner, std::span<const double> order) const {
    return deletion_area(runner, text.tokens, text.fixed, std::ssize(text.tokens) - 1, order);
  }

  void add_random_order(const EvalText& text, TextRunner& runner, uint64_t seed) {
    Rng rng(seed, "order");
    std::vector<double> order(text.tokens.size());
    for (double& v : order) v = rng.uniform();
    rows_.add_many("random order", true, std::nullopt, area(text, runner, order));
  }

  void add_truth(const EvalText& text, const TextTrials& trials, const MaskTrial& masks, TextRunner& runner) {
    std::vector<double> order(text.tokens.size(), 0.0);
    const Trial& removed = trials[kRemoved];
    for (size_t e = 0; e < removed.edits.size(); ++e)
      order[static_cast<size_t>(removed.edits[e].position)] = -removed.changes[e];
    rows_.add_many("single edits", true, additivity(masks, trials[kPlausible].changes), area(text, runner, order));
  }

  void describe(const EvalText& text, const ExplainReport& report, const TextTrials& trials) {
    for (size_t k = 0; k < kTrials; ++k) {
      std::optional<int64_t> last;
      for (const Edit& e : trials[k].edits) {
        table_.kinds[k].tokens += last != e.position ? 1 : 0;
        last = e.position;
      }
      table_.kinds[k].edits += std::ssize(trials[k].edits);
    }
    table_.texts.push_back({text.file, text.at, std::ssize(text.tokens), report.target});
  }

  const Model& model_;
  std::span<const EvalText> texts_;
  CausalOptions options_;
  std::vector<std::string> names_;  // of the methods, as they were asked for
  int64_t most_ = 0;                // tokens a pass
  CausalRows rows_;
  CausalTable table_;
};

}  // namespace

CausalTable causal_table(const Model& model, std::span<const EvalText> texts, const CausalOptions& options) {
  check(options.alternatives >= 1 && options.masks >= 0 && !options.methods.empty(), ErrorCode::kUsage,
        "[eval] expected at least one method and one alternative of a token, found {} and {}",
        counted(options.methods.size(), "method"), options.alternatives);
  return CausalEvaluation(model, texts, options).run();
}

}  // namespace hindscan
