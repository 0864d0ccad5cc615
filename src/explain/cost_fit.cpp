#include "explain/cost_fit.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

namespace hindscan {

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

void CostFit::add(Amounts work, double seconds) {
  if (!timed_.empty() && timed_.back().work.main == work.main) timed_.pop_back();
  timed_.push_back({work, seconds});
}

double CostFit::seconds(Amounts work) const {
  if (timed_.empty()) return std::numeric_limits<double>::quiet_NaN();
  const Timed& b = timed_.back();
  const double alone = b.seconds / b.work.main * work.main;
  if (timed_.size() < 2) return alone;
  const Timed& a = timed_[timed_.size() - 2];
  const double det = a.work.rest * b.work.main - b.work.rest * a.work.main;
  const double rest = (a.seconds * b.work.main - b.seconds * a.work.main) / det;
  const double main = (b.seconds - rest * b.work.rest) / b.work.main;
  return rest >= 0 && main >= 0 && std::isfinite(rest) ? rest * work.rest + main * work.main : alone;
}

double seconds_once(const std::function<void()>& call) {
  const Clock::time_point start = Clock::now();
  call();
  return since(start);
}

double seconds_of(const std::function<void()>& call) {
  constexpr double kLong = 0.2, kEnough = 0.003;  // seconds; over all calls
  const double first = seconds_once(call);
  if (first >= kLong) return first;
  int calls = 0;
  const Clock::time_point start = Clock::now();
  do {
    call();
    ++calls;
  } while (since(start) < kEnough);
  return std::min(first, since(start) / calls);
}

void sample_growing(int64_t first, int64_t most, const std::function<double(int64_t n)>& sample,
                    const std::function<double()>& foretold) {
  constexpr double kShare = 0.05, kAlways = 0.2, kAtMost = 4;  // of what is foretold; seconds for a better figure
  constexpr double kLong = 0.05, kGrown = 1.5, kFlat = 1.25;   // seconds; times the first part's, times the last one's
  int64_t n = std::min(first, most);
  const Clock::time_point start = Clock::now();
  double took = sample(n);
  if (took < kLong) took = sample(n);
  int64_t times = 2;
  for (const double least = took; n < most;) {
    const Clock::time_point begin = Clock::now();
    const double before = took;
    n = std::min(times * n, most);
    took = sample(n);
    times = took < kFlat * before ? 4 : 2;
    const double allowed = took > kGrown * least ? std::clamp(kShare * foretold(), kAlways, kAtMost) : kAtMost;
    if (!(since(start) + 2 * since(begin) <= allowed)) break;  // where nothing is foretold as well
  }
}

}  // namespace hindscan
