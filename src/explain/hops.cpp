#include "explain/hops.h"

#include <algorithm>
#include <cmath>

#include "explain/pieces.h"
#include "explain/token_text.h"

namespace hindscan {
namespace {

constexpr double kWorthNaming = 0.1, kWorthAStep = 0.25;  // of the largest effect
constexpr size_t kSources = 8, kStepsOfOne = 4;

// What the model takes to be most likely at each token, [T]; -1 at the first, before which nothing stands.
std::vector<int32_t> own_answers(const Model& model, const ExplainRequest& r, int64_t end) {
  const int64_t V = model.arch().head().rows();
  std::vector<int32_t> out{-1};
  SequenceState state = r.state_in == nullptr ? model.initial_state() : *r.state_in;
  Runner(model).logits(std::span(r.tokens).first(static_cast<size_t>(end)), state,
                       [&](int64_t, int64_t count, const float* rows) {
                         for (int64_t t = 0; t < count; ++t, rows += V)
                           out.push_back(static_cast<int32_t>(std::max_element(rows, rows + V) - rows));
                       });
  return out;
}

// Of every token alone, if the report has one.
const MethodReport* scan_of(const ExplainReport& report) {
  const auto it = std::find_if(report.methods.begin(), report.methods.end(), [](const MethodReport& m) {
    return m.effect_of == EditKind::kRemove && m.reach && m.edited == piece_by_name(PieceBy::kToken);
  });
  return it == report.methods.end() ? nullptr : &*it;
}

class Hops {
 public:
  Hops(const Model& model, const ExplainRequest& request, int64_t target)
      : model_(model), request_(request), steps_(request.hops), own_(own_answers(model, request, target)) {
    request_.methods = parse_methods("scan:by=token,alternatives=0");
    request_.hops = 1;
    request_.measure = "log-p";  // against all that might have been written: another answer is none in particular
    request_.contrast = Contrast::kAuto;
    request_.contrast_also.clear();
    request_.on_estimate = nullptr;
  }

  std::vector<Hop> run(const ExplainReport& report) {
    request_.target_id = report.target.id;
    const MethodReport* known = report.target.measure == request_.measure ? scan_of(report) : nullptr;
    const ExplainReport own = known == nullptr ? explain(model_, request_) : ExplainReport();
    add(known == nullptr ? own.target : report.target, known == nullptr ? own.methods.front() : *known, 1, {});
    for (size_t h = 0; h < hops_.size(); ++h) {
      if (hops_[h].step < steps_) go_on(h);
    }
    return std::move(hops_);
  }

 private:
  void add(const TargetReport& target, const MethodReport& scan, int64_t step, std::optional<size_t> of) {
    const std::span<const double> lost = scan.scores();
    Hop hop{step, of, target, {lost.begin(), lost.end()}, {}};
    for (int64_t t = 0; t < std::ssize(lost); ++t) {
      const auto at = static_cast<size_t>(t);
      if (!scan.edited_first.empty() && scan.edited_first[at] < t)  // the tokens of a character went together
        hop.sources.back().lost += lost[at];
      else
        hop.sources.push_back({t, lost[at], scan.found[at] == Found::kMeasured, {}});
    }
    std::stable_sort(hop.sources.begin(), hop.sources.end(),
                     [](const HopSource& a, const HopSource& b) { return std::abs(a.lost) > std::abs(b.lost); });
    const double least = kWorthNaming * std::abs(hop.sources.front().lost);
    std::erase_if(hop.sources, [&](const HopSource& s) { return s.lost == 0 || std::abs(s.lost) < least; });
    hop.sources.resize(std::min(kSources, hop.sources.size()));
    hops_.push_back(std::move(hop));
  }

  // A step for each strong source of a hop that the model would have written itself.
  void go_on(size_t h) {
    size_t steps = 0;
    for (size_t s = 0; s < hops_[h].sources.size() && steps < kStepsOfOne; ++s) {
      const HopSource& source = hops_[h].sources[s];
      const auto at = static_cast<size_t>(source.token);
      if (source.lost < kWorthAStep * std::abs(hops_[h].sources.front().lost) || own_[at] != request_.tokens[at])
        continue;
      ++steps;
      hops_[h].sources[s].hop = step_to(source.token, h);
    }
  }

  size_t step_to(int64_t token, size_t from) {
    const auto known =
        std::find_if(hops_.begin() + 1, hops_.end(), [&](const Hop& h) { return h.target.position == token - 1; });
    if (known != hops_.end()) return static_cast<size_t>(known - hops_.begin());
    request_.target = token - 1;
    request_.target_id = request_.tokens[static_cast<size_t>(token)];
    request_.target_also.clear();
    const ExplainReport report = explain(model_, request_);
    add(report.target, report.methods.front(), hops_[from].step + 1, from);
    return hops_.size() - 1;
  }

  const Model& model_;
  ExplainRequest request_;  // of the step that is taken next
  int64_t steps_;
  std::vector<int32_t> own_;
  std::vector<Hop> hops_;
};

}  // namespace

std::vector<Hop> explain_hops(const Model& model, const ExplainRequest& request, const ExplainReport& report) {
  std::vector<Hop> hops = Hops(model, request, report.target.position).run(report);
  for (Hop& hop : hops) describe_target(model, hop.target);
  return hops;
}

}  // namespace hindscan
