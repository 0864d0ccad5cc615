// "leave-one-out": how much the target loses when the model reads the text without one token (occlusion: Zeiler and
// Fergus 2014; erasure: Li, Monroe, Jurafsky 2016), really run again, for the last tokens before the target. What a
// token does together with others is in no score, so they do not add up.
#include <algorithm>

#include "explain/reverse_method.h"

namespace hindscan {

namespace {

template <class R>
class LeaveOneOut final : public ReverseMethod<R> {
 public:
  explicit LeaveOneOut(const MethodContext<R>& context)
      : scores_(static_cast<size_t>(context.sizes.T), 0.0),
        found_(static_cast<size_t>(context.sizes.T), Found::kNotAsked),
        tokens_(context.spec.number("tokens")),
        kind_(context.spec.option("edit") == edit_name(EditKind::kRemove) ? EditKind::kRemove : EditKind::kDropWrite) {}

  std::vector<Edit> edits(int64_t first, int64_t last) const override {
    std::vector<Edit> out;
    for (int64_t t = std::max(first, last - tokens_); t < last; ++t) out.push_back({kind_, t, 0});
    return out;
  }

  void measured(std::span<const Edit> edits) override {
    for (const Edit& e : edits) {
      scores_[static_cast<size_t>(e.position)] = 0 - e.measured;
      found_[static_cast<size_t>(e.position)] = Found::kMeasured;
    }
    if (!edits.empty()) first_ = edits.front().position;
  }

  MethodReport finish(const SequenceState*, const TargetReport& target) override {
    MethodReport report;
    report.arrays.push_back(
        token_array({"lost", "what the target loses without the token", kTargetUnit}, std::move(scores_)));
    report.effect_of = kind_;
    report.edit_words = kind_ == EditKind::kRemove ? "later tokens move up by one" : "it keeps its place";
    report.found = std::move(found_);
    report.details.set("measured_from", first_);
    report.label = target.first() == 0 ? "no token stands before the last one"
                                       : fmt::format("measured by editing tokens {}..{}", first_, target.first() - 1);
    return report;
  }

 private:
  std::vector<double> scores_;  // [T]; 0 where nothing was measured
  std::vector<Found> found_;    // [T]
  int64_t tokens_, first_ = 0;
  EditKind kind_;
};

}  // namespace

HS_REVERSE_METHOD(leave_one_out, LeaveOneOut)

}  // namespace hindscan
