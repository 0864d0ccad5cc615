// "shapley": what a word adds to the target on average over the orders in which the words of the text may come in, the
// others left out until then (Shapley 1953; sampled orders: Castro, Gomez, Tejada 2009), all of it really run; of a
// short text over all orders. The scores and the target of the text without any of them add up to the target.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/counted.h"
#include "base/interval.h"
#include "base/signals.h"
#include "explain/packed_run.h"
#include "explain/removals.h"
#include "explain/reverse_method.h"
#include "explain/run_edits.h"
#include "explain/shapley_cost.h"

namespace hindscan {

namespace {

// What is left of a text, by the pieces that stand in it; the rest of the text always does.
class Parts {
 public:
  Parts(std::span<const int32_t> tokens, const std::vector<Edit>& pieces) : tokens_(tokens), pieces_(pieces) {}
  std::vector<int32_t> text(const std::vector<char>& stands) const {
    std::vector<int32_t> out(tokens_.begin(), tokens_.end());
    for (size_t p = pieces_.size(); p-- > 0;) {
      if (stands[p] == 0) out.erase(out.begin() + pieces_[p].position, out.begin() + pieces_[p].end());
    }
    return out;
  }

 private:
  std::span<const int32_t> tokens_;
  const std::vector<Edit>& pieces_;
};

template <class R>
class Shapley final : public ReverseMethod<R> {
 public:
  explicit Shapley(const MethodContext<R>& context) : T_(context.sizes.T), spec_(context.spec) {}

  void run(const Model& model, const ExplainRequest& r, const TargetReport& target, ProgressSink& sink) override {
    by_ = taken_out_by(model, r.tokens, spec_);
    pieces_ = shapley_pieces(model, r, target, by_);
    check_edits(model, target, pieces_);
    added_.resize(pieces_.size());
    const std::span<const int32_t> tokens = std::span(r.tokens).first(static_cast<size_t>(target.position + 1));
    const Parts parts(tokens, pieces_);
    start_ = r.state_in == nullptr ? model.initial_state() : *r.state_in;
    const ShapleyTexts texts = shapley_texts(std::ssize(pieces_), spec_);
    ProgressTask progress(&sink, "explain", "texts", static_cast<uint64_t>(texts.count));
    all_ = texts.all;
    if (all_)
      add_all(model, parts, target, progress);
    else
      add_sampled(model, parts, target, Rng(r.seed, "orders"), progress);
  }

  MethodReport finish(const SequenceState*, const TargetReport& target) override {
    std::vector<double> scores(static_cast<size_t>(T_), 0.0), errors = scores;
    for (size_t p = 0; p < pieces_.size(); ++p) {  // the tokens of a word share what it is worth
      const auto n = static_cast<double>(pieces_[p].count);
      for (int64_t t = pieces_[p].position; t < pieces_[p].end(); ++t) {
        scores[static_cast<size_t>(t)] = added_[p].mean() / n;
        errors[static_cast<size_t>(t)] = added_[p].standard_error().value_or(0) / n;
      }
    }
    double worst = 0;  // standard error
    for (const RunningMean& a : added_) worst = std::max(worst, a.standard_error().value_or(0));
    MethodReport report;
    ScoreArray added =
        token_array({"added", "what the token adds, on average over orders", kTargetUnit}, std::move(scores));
    added.no_token = empty_;
    added.completeness = {target.value(), target.value() - added.sum - empty_};
    report.arrays.push_back(std::move(added));
    if (!all_)
      report.arrays.push_back(token_array(
          {"standard-error", "of each of these means, over pairs of orders", kTargetUnit}, std::move(errors)));
    if (!all_)
      report.label = fmt::format(
          "each text was really read, in {} orders drawn by chance: standard errors of up to {:.2g}", orders(), worst);
    report.edited = piece_by_name(by_);
    report.notes.push_back({"orders", fmt::format("shapley: {} of {}; later tokens move up where others are left out",
                                                  all_ ? "all" : std::to_string(orders()),
                                                  counted(std::ssize(pieces_), piece_by_name(by_)))});
    return report;
  }

 private:
  int64_t orders() const { return 2 * spec_.number("pairs"); }

  // Orders come in pairs, one the other backwards.
  void add_sampled(const Model& model, const Parts& parts, const TargetReport& target, Rng rng,
                   ProgressTask& progress) {
    std::vector<size_t> order(pieces_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    for (int64_t s = 0; s < spec_.number("pairs"); ++s) {
      for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
      const std::vector<double> there = added_by(model, parts, target, order, progress);
      std::reverse(order.begin(), order.end());
      const std::vector<double> back = added_by(model, parts, target, order, progress);
      for (size_t p = 0; p < there.size(); ++p) added_[p].add((there[p] + back[p]) / 2);
    }
  }

  // What each piece adds where it comes in, of one order.
  std::vector<double> added_by(const Model& model, const Parts& parts, const TargetReport& target,
                               const std::vector<size_t>& order, ProgressTask& progress) {
    std::vector<std::vector<char>> sets(1, std::vector<char>(order.size(), 0));  // the first 0, 1, ... of the order
    for (const size_t p : order) {
      sets.push_back(sets.back());
      sets.back()[p] = 1;
    }
    const std::vector<double> values = values_of(model, parts, target, sets, progress);
    empty_ = values.front();
    std::vector<double> out(order.size());
    for (size_t i = 0; i < order.size(); ++i) out[order[i]] = values[i + 1] - values[i];
    return out;
  }

  // Of every set of pieces: in a share |S|! (n - |S| - 1)! / n! of all orders a piece comes in behind just S.
  void add_all(const Model& model, const Parts& parts, const TargetReport& target, ProgressTask& progress) {
    const size_t n = pieces_.size();
    std::vector<std::vector<char>> sets(size_t{1} << n, std::vector<char>(n));
    for (size_t s = 0; s < sets.size(); ++s) {
      for (size_t p = 0; p < n; ++p) sets[s][p] = static_cast<char>(s >> p & 1);
    }
    const std::vector<double> values = values_of(model, parts, target, sets, progress);
    empty_ = values.front();
    for (size_t p = 0; p < n; ++p) {
      double sum = 0;
      for (size_t s = 0; s < sets.size(); ++s) {
        if (sets[s][p] != 0) continue;
        const auto before = static_cast<double>(std::count(sets[s].begin(), sets[s].end(), 1));
        const double share = std::beta(before + 1, static_cast<double>(n) - before);
        sum += share * (values[s | size_t{1} << p] - values[s]);
      }
      added_[p].add(sum);
    }
  }

  // The target of the texts in which these sets of pieces stand, a few texts at a time.
  std::vector<double> values_of(const Model& model, const Parts& parts, const TargetReport& target,
                                std::span<const std::vector<char>> sets, ProgressTask& progress) {
    std::vector<double> values;
    const auto at_once = static_cast<size_t>(texts_of_an_order(target.position + 1));
    while (values.size() < sets.size()) {
      throw_if_stopped();
      std::vector<PackedSequence> some;
      for (size_t s = values.size(); s < sets.size() && some.size() < at_once; ++s)
        some.push_back({parts.text(sets[s]), start_});
      const std::vector<double> found = run_packed(model, some, room_, {&target, 1})[0];
      values.insert(values.end(), found.begin(), found.end());
      progress.step(some.size());
    }
    return values;
  }

  int64_t T_;
  MethodSpec spec_;
  PieceBy by_ = PieceBy::kToken;
  std::vector<Edit> pieces_;
  std::vector<RunningMean> added_;  // [pieces]
  bool all_ = false;                // orders, not a sample of them
  double empty_ = 0;                // the target of what is left without any of them
  SequenceState start_;
  PassRoom room_;
};

}  // namespace

HS_REVERSE_METHOD(shapley, Shapley)

}  // namespace hindscan
