// "scan": what the target loses when the model reads the text without a token, for every token, by the counterfactual
// scan. The strongest are really run; so are some drawn by chance, which say how good the others are.
#include <algorithm>

#include "base/counted.h"
#include "explain/reverse_method.h"
#include "explain/scan_check.h"
#include "explain/target.h"

namespace hindscan {

namespace {

template <class R>
class ScanMethod final : public ReverseMethod<R> {
 public:
  explicit ScanMethod(const MethodContext<R>& context)
      : T_(context.sizes.T), reach_{context.spec.number("window"), context.spec.number("tail")} {}

  void forward(const Ctx& ctx, const Views<R>&, int64_t) override {
    check(embedding_table(ctx) != nullptr, ErrorCode::kUsage,
          "[scan] expected tokens that can be taken out, found vectors; name the other methods");
  }

  void run(const Model& model, const ExplainRequest& r, const TargetReport& target, ProgressSink& progress) override {
    constexpr int64_t kMostWhole = 512;  // tokens of a text that is read whole for each of them
    first_ = model.arch().sizes().labels == 0 ? 0 : std::max<int64_t>(0, target.position - kMostWhole);
    std::vector<Edit> edits;
    for (int64_t t = first_; t < target.position; ++t) edits.push_back({EditKind::kRemove, t, 0});
    if (!edits.empty()) scan_ = checked_scan(model, r, target, edits, reach_, &progress);
  }

  MethodReport finish(const SequenceState*, const TargetReport& target) override {
    MethodReport report;
    std::vector<double> lost(static_cast<size_t>(T_), 0.0);
    report.found.assign(lost.size(), Found::kNotAsked);
    for (size_t i = 0; i < scan_.responses.size(); ++i) {
      const size_t t = static_cast<size_t>(first_) + i;
      lost[t] = -scan_.responses[i].change;
      report.found[t] = scan_.responses[i].exact ? Found::kMeasured : Found::kEstimated;
    }
    report.arrays.push_back(
        token_array({"lost", "what the target loses without the token", kTargetUnit}, std::move(lost)));
    report.effect_of = EditKind::kRemove;
    report.reach = scan_.checks.empty() ? reach_ : scan_.checks.back().reach;
    describe(report, target);
    return report;
  }

 private:
  void describe(MethodReport& report, const TargetReport& target) const {
    if (scan_.checks.empty()) {
      report.label = target.position == 0 ? "no token stands before the last one" : "";
      return;
    }
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
    if (scan_.approximate) report.label = "approximate: the removals that were run do not bear it out";
    Json checks = Json::array();
    for (const ScanCheck& c : scan_.checks) {
      Json one = Json::object();
      one.set("window", c.reach.window).set("tail", c.reach.tail).set("drawn", c.drawn);
      one.set("skill", c.skill ? Json(*c.skill) : Json()).set("largest_miss", c.largest_miss);
      checks.push(std::move(one));
    }
    report.details.set("edit", edit_name(EditKind::kRemove));
    report.details.set("run", static_cast<int64_t>(run));
    report.details.set("exact", scan_.exact);
    report.details.set("checks", std::move(checks));
  }

  int64_t T_, first_ = 0;
  ScanReach reach_;
  CheckedScan scan_;
};

}  // namespace

HS_REVERSE_METHOD(scan, ScanMethod)

}  // namespace hindscan
