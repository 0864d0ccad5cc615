#include "explain/scan_check.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "base/rng.h"
#include "explain/run_edits.h"

namespace hindscan {

namespace {

constexpr size_t kTop = 10, kDrawn = 20;

// As many of each range of distances, which double.
std::vector<size_t> drawn(std::span<const Edit> edits, const std::vector<ScanResponse>& responses, int64_t target,
                          uint64_t seed) {
  std::vector<std::vector<size_t>> ranges;
  for (size_t i = 0; i < edits.size(); ++i) {
    if (responses[i].exact) continue;
    const auto range = static_cast<size_t>(std::log2(static_cast<double>(target - edits[i].position + 1)));
    if (ranges.size() <= range) ranges.resize(range + 1);
    ranges[range].push_back(i);
  }
  std::erase_if(ranges, [](const auto& r) { return r.empty(); });
  Rng rng(seed, "scan check");
  std::vector<size_t> out;
  while (out.size() < kDrawn && !ranges.empty()) {
    for (auto& range : ranges) {
      if (range.empty() || out.size() == kDrawn) continue;
      std::swap(range[rng.below(range.size())], range.back());
      out.push_back(range.back());
      range.pop_back();
    }
    std::erase_if(ranges, [](const auto& r) { return r.empty(); });
  }
  return out;
}

// Runs some edits and puts what they did in place of what was estimated.
ScanCheck check_scan(const Model& model, const ExplainRequest& r, std::span<const TargetReport> targets,
                     std::span<const Edit> edits, const ScanReach& reach, std::vector<ScanResponse>& responses,
                     ProgressSink* progress) {
  const auto [some, by_chance] = edits_to_check(edits, responses, targets[0].first(), r.seed);
  std::vector<Edit> run;
  run.reserve(some.size());
  for (size_t i : some) run.push_back(edits[i]);
  std::vector<ScanResponse> measured = as_run(run_edits_of(model, r, targets, run, progress));
  ScanCheck check{reach, static_cast<int64_t>(by_chance), {}, 0};
  double error = 0, all = 0;
  for (size_t i = 0; i < some.size(); ++i) {
    ScanResponse& response = responses[some[i]];
    const double change = measured[i].change, miss = response.change - change;
    check.largest_miss = std::max(check.largest_miss, std::abs(miss));
    error += i < by_chance ? miss * miss : 0;
    all += i < by_chance ? change * change : 0;
    response = std::move(measured[i]);
  }
  if (all > 0) check.skill = 1 - error / all;
  return check;
}

}  // namespace

std::vector<size_t> strongest(const std::vector<ScanResponse>& responses, bool estimated) {
  std::vector<size_t> order;
  for (size_t i = 0; i < responses.size(); ++i) {
    if (!estimated || !responses[i].exact) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return std::abs(responses[a].change) > std::abs(responses[b].change); });
  order.resize(std::min(kTop, order.size()));
  return order;
}

CheckedEdits edits_to_check(std::span<const Edit> edits, const std::vector<ScanResponse>& responses, int64_t target,
                            uint64_t seed) {
  const std::vector<size_t> by_chance = drawn(edits, responses, target, seed);
  CheckedEdits out{by_chance, by_chance.size()};
  for (size_t i : strongest(responses, true)) {
    if (std::find(by_chance.begin(), by_chance.end(), i) == by_chance.end()) out.some.push_back(i);
  }
  return out;
}

std::optional<ScanReach> further(const ScanReach& reach) {
  constexpr int64_t kFurthest = 16;
  if (std::max(reach.window, reach.tail) >= kFurthest) return std::nullopt;
  return ScanReach{2 * reach.window + 1, 2 * reach.tail + 1};
}

CheckedScan checked_scan(const Model& model, const ExplainRequest& r, std::span<const TargetReport> targets,
                         std::span<const Edit> edits, ScanReach reach, ProgressSink* progress) {
  CheckedScan out;
  for (std::optional<ScanReach> next = reach; next; next = further(reach)) {
    reach = *next;
    out.responses = scan_edits_of(model, r, targets, edits, reach, progress);
    out.exact = std::count_if(out.responses.begin(), out.responses.end(), [](const auto& s) { return s.exact; });
    out.carried =
        std::any_of(out.responses.begin(), out.responses.end(), [](const auto& s) { return s.end_linear != 0; });
    out.checks.push_back(check_scan(model, r, targets, edits, reach, out.responses, progress));
    out.approximate = out.checks.back().skill.value_or(1) < kGoodSkill;
    if (!out.approximate) break;
  }
  return out;
}

}  // namespace hindscan
