#include "explain/scan_sample.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "explain/explainer.h"
#include "explain/plausible_tokens.h"
#include "explain/run_edits.h"
#include "explain/scan_check.h"
#include "explain/scan_estimate.h"
#include "explain/text_state.h"

namespace hindscan {

namespace {

// What edits that are run to the end grow with: the edits, and the tokens that are read. copies: of each edit;
// distances: how many tokens it stands in front of the target, the last of `tokens`.
Amounts run_work(std::span<const double> distances, double tokens, double copies = 1) {
  if (distances.empty() || copies == 0) return {0, 0};
  const auto [nearest, farthest] = std::minmax_element(distances.begin(), distances.end());
  const double each = std::accumulate(distances.begin(), distances.end(), static_cast<double>(distances.size()));
  const double edits = copies * static_cast<double>(distances.size());
  const double unedited = std::ceil(edits / static_cast<double>(kTextsAtOnce)) * *farthest;
  return {edits, copies * each + unedited + tokens - *nearest};
}

std::vector<double> distances_of(std::span<const Edit> edits, std::span<const size_t> some, int64_t target) {
  std::vector<double> out;
  for (size_t i : some) out.push_back(static_cast<double>(target - edits[i].position));
  return out;
}

}  // namespace

// The first n tokens, and what of them is timed.
struct ScanSample::Part {
  Part(const ScanSample& sample, int64_t n) : model(sample.model_), request(sample.request_) {
    request.tokens.resize(static_cast<size_t>(n));
    request.methods.clear();
    request.answer = 0;
    request.progress = nullptr;
    before = sample.state_before(n);
    request.state_in = before.empty() ? nullptr : &before;
    const ExplainPlan plan{
        sample.plan_.probe, {}, {.tokens = n, .chunk = n, .parts = {1.0}, .further = {}, .quadratic_layers = {}}};
    target = run_explainer(model, request, plan, n - 1).target;
    edits = removals(model, request.tokens, n - 1, sample.by_);
  }
  std::vector<ScanResponse> scan(const ScanReach& reach) const {
    return scan_edits(model, request, target, edits, reach);
  }
  void run(std::span<const size_t> some) const {
    std::vector<Edit> these;
    for (size_t i : some) these.push_back(edits[i]);
    run_edits(model, request, target, these);
  }
  void expect() const {
    const std::vector<int64_t> last{target.position};
    const PlausibleTokens tokens(model, request.tokens, last, request.state_in);
  }
  const Model& model;
  ExplainRequest request;
  SequenceState before;
  TargetReport target;
  std::vector<Edit> edits;
};

ScanSample::ScanSample(const Model& model, const ExplainRequest& r, int64_t target, const ExplainPlan& plan,
                       const MethodSpec& scan)
    : model_(model),
      request_(r),
      plan_(plan),
      target_(target),
      reach_{scan.number("window"), scan.number("tail")},
      by_(taken_out_by(model, r.tokens, scan)),
      edits_(removals(model, r.tokens, target, by_)),
      alternatives_(replaces(model, by_, scan.number("alternatives")) ? scan.number("alternatives") : 0) {}

int64_t ScanSample::first() const {
  constexpr int64_t kEdits = 8, kBeyond = 4;
  return std::max({kFirstScanned, kEdits * target_ / std::ssize(edits_), kBeyond * (reach_.window + reach_.tail)});
}

double ScanSample::take(int64_t n) {
  constexpr double kShort = 0.2;
  const Part part(*this, n);
  std::vector<ScanResponse> responses;
  const auto scan = [&] { responses = part.scan(reach_); };
  double scanning = seconds_once(scan);
  for (size_t i = 0; i < responses.size(); ++i) {
    if (responses[i].exact) exact_ = std::max(exact_, n - 1 - part.edits[i].end());
  }
  const std::vector<size_t> some = edits_to_check(part.edits, responses, n - 1, request_.seed).some,
                            strong = strongest(responses, false);
  const double running = time_runs(part, n, some.empty() ? strong : some);
  strongest_.add(n, distances_of(part.edits, strong, n - 1));
  if (!some.empty()) checked_.add(n, distances_of(part.edits, strongest(responses, true), n - 1));
  double reading = 0;
  if (alternatives_ > 0) {
    reading = seconds_of([&] { part.expect(); });
    read_.add({0, static_cast<double>(n)}, reading);
  }
  if (scanning < kShort) scanning = std::min(scanning, seconds_once(scan));  // the first may touch what is cold
  scanned_[n] = scanning;
  return scanning + running + reading;
}

double ScanSample::foretold() const {
  const ScanSeconds s = seconds();
  return s.scan + s.check + s.replaced;
}

ScanSeconds ScanSample::seconds() const {
  const auto tokens = static_cast<double>(target_ + 1);
  ScanSeconds out;
  out.scan = scan_seconds();
  out.check = run_.seconds(run_work(check_distances(exact_), tokens));
  if (alternatives_ > 0) {
    std::vector<double> distances = strongest_.at(target_ + 1);
    distances.push_back(0);  // the last token
    out.replaced =
        run_.seconds(run_work(distances, tokens, static_cast<double>(alternatives_))) + read_.seconds({0, tokens});
  }
  return out;
}

std::vector<double> ScanSample::further_seconds() const {
  std::vector<double> out;
  const double least = scan_seconds();
  double steeper = 0;  // seconds for each token more, in units of the shortest reach
  for (std::optional<ScanReach> reach = further(reach_); reach; reach = further(*reach)) {
    const int64_t longer = reach->window + reach->tail - reach_.window - reach_.tail;
    if (reach->window + reach->tail >= target_) {  // every edit is run
      std::vector<size_t> all(edits_.size());
      std::iota(all.begin(), all.end(), size_t{0});
      out.push_back(run_.seconds(run_work(distances_of(edits_, all, target_), static_cast<double>(target_ + 1))));
      break;
    }
    if (out.empty()) steeper = std::max(0.0, times_longer(*reach) - 1) / static_cast<double>(longer);
    out.push_back(least * (1 + steeper * static_cast<double>(longer)) +
                  run_.seconds(run_work(check_distances(exact_ + longer), static_cast<double>(target_ + 1))));
  }
  return out;
}

// Windows stand in the middle of the text on average, tails at its end.
SequenceState ScanSample::state_before(int64_t n) const {
  const int64_t tokens = 3 * (target_ + 1 - n) / 4;
  if (plan_.probe.caches.empty()) return request_.state_in == nullptr ? SequenceState() : *request_.state_in;
  return long_text_state(model_, request_.tokens, request_.state_in, plan_.probe, tokens);
}

// What edits take that are read a little, and that are read much.
double ScanSample::time_runs(const Part& part, int64_t n, std::span<const size_t> far) {
  constexpr size_t kNear = 20;
  std::vector<size_t> near(std::min(kNear, part.edits.size()));
  std::iota(near.begin(), near.end(), part.edits.size() - near.size());
  double sum = 0;
  for (const std::span<const size_t> some : {std::span<const size_t>(near), far}) {
    const double seconds = seconds_of([&] { part.run(some); });
    run_.add(run_work(distances_of(part.edits, some, n - 1), static_cast<double>(n)), seconds);
    sum += seconds;
  }
  return sum;
}

double ScanSample::scan_seconds() const {
  CostFit fit;
  for (const auto& [n, seconds] : {*scanned_.begin(), *scanned_.rbegin()}) fit.add(scan_work(n), seconds);
  return fit.seconds(scan_work(target_ + 1));
}

// Under attention an edit is read by all tokens behind it, as far as they look back.
Amounts ScanSample::scan_work(int64_t n) const {
  const auto tokens = static_cast<double>(n);
  if (plan_.probe.caches.empty()) return {0, tokens};
  int64_t far = 0;
  for (const KeyCache& cache : plan_.probe.caches) far = std::max(far, cache.window > 0 ? cache.window : n);
  return {tokens * static_cast<double>(std::min(n, far)), tokens};
}

// Of the edits that will be run as a check, where those at most so far from the target are run in any case.
std::vector<double> ScanSample::check_distances(int64_t exact) const {
  std::vector<ScanResponse> responses(edits_.size());
  for (size_t i = 0; i < edits_.size(); ++i) responses[i].exact = target_ - edits_[i].end() <= exact;
  CheckedEdits check = edits_to_check(edits_, responses, target_, request_.seed);
  const size_t others = check.some.size() - check.drawn;
  check.some.resize(check.drawn);
  std::vector<double> out = distances_of(edits_, check.some, target_), strong = checked_.at(target_ + 1);
  strong.resize(std::min(strong.size(), others));
  out.insert(out.end(), strong.begin(), strong.end());
  return out;
}

double ScanSample::times_longer(const ScanReach& reach) const {
  auto at = std::prev(scanned_.end());
  if (at != scanned_.begin()) --at;  // the part before is enough
  const Part part(*this, at->first);
  return seconds_of([&] { part.scan(reach); }) / at->second;
}

}  // namespace hindscan
