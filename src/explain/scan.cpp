// "scan": what the target loses when the model reads the text without a token (or a word, or a sentence), for all of
// them, by the counterfactual scan. The strongest are really run; so are some drawn by chance, which say how good the
// others are. Beside it, for the strongest, what it loses when others that the model expects stand in their places.
#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "base/interval.h"
#include "explain/foils.h"
#include "explain/plausible_tokens.h"
#include "explain/removals.h"
#include "explain/reverse_method.h"
#include "explain/run_edits.h"
#include "explain/scan_check.h"
#include "explain/target.h"

namespace hindscan {

namespace {

// Of one token's replacements.
struct Replaced {
  int64_t position = 0;
  RunningMean lost;
};

template <class R>
class ScanMethod final : public ReverseMethod<R> {
 public:
  explicit ScanMethod(const MethodContext<R>& context)
      : T_(context.sizes.T),
        reach_{context.spec.number("window"), context.spec.number("tail")},
        spec_(context.spec),
        alternatives_(context.spec.number("alternatives")) {}

  void run(const Model& model, const ExplainRequest& r, const TargetReport& target, ProgressSink& progress) override {
    by_ = taken_out_by(model, r.tokens, spec_);
    edits_ = removals(model, r.tokens, target.edits_end(), by_);
    if (edits_.empty()) return;
    scan_ = checked_scan(model, r, with_foils(target), edits_, reach_, &progress);
    model_ = &model;
    if (replaces(model, by_, alternatives_)) replace(model, r, target, progress);
  }

  MethodReport finish(const SequenceState*, const TargetReport& target) override {
    MethodReport report;
    std::vector<double> lost(static_cast<size_t>(T_), 0.0);
    report.found.assign(lost.size(), Found::kNotAsked);
    std::vector<int64_t> first(lost.size());
    for (size_t t = 0; t < first.size(); ++t) first[t] = static_cast<int64_t>(t);
    for (size_t i = 0; i < edits_.size(); ++i) {  // the tokens of a word share what it is worth
      for (int64_t t = edits_[i].position; t < edits_[i].end(); ++t) {
        lost[static_cast<size_t>(t)] = (0 - scan_.responses[i].change) / static_cast<double>(edits_[i].count);
        report.found[static_cast<size_t>(t)] = scan_.responses[i].exact ? Found::kMeasured : Found::kEstimated;
        first[static_cast<size_t>(t)] = edits_[i].position;
      }
    }
    report.arrays.push_back(
        token_array({"lost", "what the target loses without the token", kTargetUnit}, std::move(lost)));
    report.effect_of = EditKind::kRemove;
    report.edited = piece_by_name(by_);
    report.edited_first = std::move(first);
    report.edit_words = "later tokens keep their positions";
    report.approximate = scan_.approximate;
    report.reach = scan_.checks.empty() ? reach_ : scan_.checks.back().reach;
    if (scan_.checks.empty())
      report.label = target.removable() == 0 ? "nothing stands before the last token" : "";
    else
      describe(target, report);
    describe_replaced(report);
    if (model_ != nullptr) add_foils(*model_, target, edits_, scan_.responses, report);
    return report;
  }

 private:
  // The strongest tokens and the one from which the answer is read, which cannot be removed: really run.
  void replace(const Model& model, const ExplainRequest& r, const TargetReport& target, ProgressSink& progress) {
    std::vector<int64_t> positions{target.first()};
    for (size_t i : strongest(scan_.responses, false)) positions.push_back(edits_[i].position);
    std::sort(positions.begin(), positions.end());
    const PlausibleTokens plausible(model, r.tokens, positions, r.state_in);
    Rng rng(r.seed, "alternatives");
    std::vector<Edit> edits;
    for (const int64_t p : positions) {
      for (int64_t k = 0; k < alternatives_; ++k) edits.push_back({EditKind::kReplace, p, plausible.draw(p, rng)});
    }
    const std::vector<double> changes = run_edits(model, r, target, edits, &progress);
    for (size_t i = 0; i < edits.size(); ++i) {
      if (replaced_.empty() || replaced_.back().position != edits[i].position)
        replaced_.push_back({edits[i].position, {}});
      replaced_.back().lost.add(-changes[i]);
    }
  }

  void describe(const TargetReport& target, MethodReport& report) const {
    const auto run =
        std::count_if(scan_.responses.begin(), scan_.responses.end(), [](const auto& s) { return s.exact; });
    const ScanCheck& last = scan_.checks.back();
    std::string text =
        fmt::format("{} of {} removals were really run, the strongest among them", run, std::ssize(scan_.responses));
    if (last.skill && last.drawn > 0)
      text += fmt::format(
          "; {} of them, drawn by chance, say how good the others are: skill {:.3f} (1: right, 0: no "
          "better than \"nothing happens\"), largest miss {:.3g}",
          last.drawn, *last.skill, last.largest_miss);
    report.notes.push_back({"checked", text});
    report.trust = trust(run, target);
    report.details.set("trust", report.trust);
    if (!scan_.carried && scan_.exact < std::ssize(scan_.responses))
      report.notes.push_back({"tail",
                              "the states of this model do not follow each other linearly: a change is not "
                              "carried on to the tail, and stays of first order from its window on"});
    if (scan_.approximate) report.label = "approximate: the removals that were run do not bear it out";
    Json checks = Json::array();
    for (const ScanCheck& c : scan_.checks) {
      Json one = Json::object();
      one.set("window", c.reach.window).set("tail", c.reach.tail).set("drawn", c.drawn);
      one.set("skill", c.skill ? Json(*c.skill) : Json()).set("largest_miss", c.largest_miss);
      checks.push(std::move(one));
    }
    report.details.set("by", piece_by_name(by_));
    report.details.set("run", static_cast<int64_t>(run));
    report.details.set("exact", scan_.exact);
    report.details.set("checks", std::move(checks));
  }

  // How good the estimates are, as a share of what the edits do.
  std::string trust(int64_t run, const TargetReport& target) const {
    const std::string word = piece_by_name(by_);
    const int64_t all = std::ssize(scan_.responses);
    if (run == all) {
      const std::string which = all == 1   ? "the one " + word
                                : all == 2 ? fmt::format("both {}s", word)
                                           : fmt::format("all {} {}s", all, word);
      return fmt::format(
          "{}{} {} really run: {}taken out of the text, and the rest read again. Nothing here is an estimate", which,
          target.kind == TargetKind::kToken ? " before the last" : "", all == 1 ? "was" : "were",
          all == 1 ? "" : "each ");
    }
    std::string out = fmt::format(
        "{} of {} were really run (taken out, and the rest read again), the strongest among them; the others are "
        "estimates",
        run, counted(all, word));
    const ScanCheck& last = scan_.checks.back();
    if (last.drawn == 0) return out;
    if (!last.skill)
      return out + fmt::format(". Taking out {} picked by chance changed nothing", counted(last.drawn, word));
    out += fmt::format(". On {} picked by chance these were typically off by {:.0f} % of the real change",
                       counted(last.drawn, word), std::ceil(100 * std::sqrt(std::max(0.0, 1 - *last.skill))));
    return scan_.approximate ? out + ": too far to rely on any that was not really run" : out;
  }

  void describe_replaced(MethodReport& report) const {
    if (replaced_.empty()) return;
    std::vector<double> lost(static_cast<size_t>(T_), 0.0);
    Json all = Json::array();
    for (const Replaced& one : replaced_) {
      lost[static_cast<size_t>(one.position)] = one.lost.mean();
      const std::optional<Interval> interval = one.lost.interval();
      Json json = Json::object();
      json.set("token", one.position).set("lost", one.lost.mean());
      json.set("interval", interval ? Json::array().push(interval->low).push(interval->high) : Json());
      all.push(std::move(json));
    }
    report.arrays.push_back(token_array({"replaced",
                                         "what the target loses on average when others that the model expects stand "
                                         "in the token's place, really run; for the strongest tokens and the last",
                                         kTargetUnit},
                                        std::move(lost)));
    report.details.set("alternatives", alternatives_);
    report.details.set("replaced", std::move(all));
  }

  const Model* model_ = nullptr;  // once it was scanned
  int64_t T_;
  ScanReach reach_;
  MethodSpec spec_;
  PieceBy by_ = PieceBy::kToken;
  int64_t alternatives_;
  std::vector<Edit> edits_;
  CheckedScan scan_;
  std::vector<Replaced> replaced_;
};

}  // namespace

HS_REVERSE_METHOD(scan, ScanMethod)

}  // namespace hindscan
