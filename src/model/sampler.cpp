#include "model/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/order.h"

namespace hindscan {
namespace {

void check_options(const SamplerOptions& o) {
  const auto finite_in = [](double v, double low, double high) { return v >= low && v <= high; };  // false for NaN
  check(finite_in(o.temperature, 0, 1e3), ErrorCode::kUsage, "[sampler] temperature must be in [0, 1000], found {}",
        o.temperature);
  check(o.top_k >= 0, ErrorCode::kUsage, "[sampler] top-k must be >= 0 (0 is off), found {}", o.top_k);
  check(o.top_p > 0 && o.top_p <= 1, ErrorCode::kUsage, "[sampler] top-p must be in (0, 1], found {}", o.top_p);
  check(finite_in(o.min_p, 0, 1), ErrorCode::kUsage, "[sampler] min-p must be in [0, 1], found {}", o.min_p);
  check(finite_in(o.repeat_penalty, 1e-3, 1e3), ErrorCode::kUsage,
        "[sampler] repetition penalty must be in [0.001, 1000] (1 is off), found {}", o.repeat_penalty);
  check(finite_in(o.presence_penalty, -1e3, 1e3) && finite_in(o.frequency_penalty, -1e3, 1e3), ErrorCode::kUsage,
        "[sampler] presence and frequency penalties must be in [-1000, 1000], found {} and {}", o.presence_penalty,
        o.frequency_penalty);
  check(o.penalty_window >= -1, ErrorCode::kUsage, "[sampler] the penalty window must be >= -1, found {}",
        o.penalty_window);
}

// The largest logit; refuses what no distribution can be made of.
double checked_max(std::span<const float> logits) {
  check(!logits.empty(), ErrorCode::kData, "[sampler] expected at least one logit, found none");
  float top = -INFINITY;
  for (size_t i = 0; i < logits.size(); ++i) {
    check(!std::isnan(logits[i]) && logits[i] != INFINITY, ErrorCode::kData,
          "[sampler] logit of token {} is {}: the model's weights or state are damaged; try 'hindscan info --check'", i,
          logits[i]);
    top = std::max(top, logits[i]);
  }
  check(top != -INFINITY, ErrorCode::kData, "[sampler] every logit is -infinity: the model's weights are damaged");
  return static_cast<double>(top);
}

}  // namespace

double log_sum_exp(std::span<const float> logits) {
  const double top = checked_max(logits);
  double sum = 0;
  for (const float v : logits) sum += std::exp(static_cast<double>(v) - top);
  return top + std::log(sum);
}

Sampler::Sampler(const SamplerOptions& options) : options_(options), rng_(options.seed, "sample") {
  check_options(options_);
}

void Sampler::accept(int32_t token) {
  if (options_.penalty_window == 0) return;
  ++counts_[token];
  if (options_.penalty_window < 0) return;
  window_.push_back(token);
  if (static_cast<int64_t>(window_.size()) <= options_.penalty_window) return;
  if (--counts_[window_.front()] == 0) counts_.erase(window_.front());
  window_.pop_front();
}

int32_t Sampler::sample(std::span<const float> logits) {
  checked_max(logits);
  candidates_.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) candidates_[i] = {static_cast<double>(logits[i]), static_cast<int32_t>(i)};
  penalise();
  if (options_.temperature == 0) {
    const auto less = [](const Candidate& a, const Candidate& b) { return a.logit < b.logit; };
    return std::max_element(candidates_.begin(), candidates_.end(), less)->id;  // the first of equals
  }
  keep_top();
  return draw();
}

void Sampler::penalise() {
  for (const auto& [id, count] : counts_) {
    if (static_cast<size_t>(id) >= candidates_.size()) continue;
    double& logit = candidates_[static_cast<size_t>(id)].logit;
    logit = logit > 0 ? logit / options_.repeat_penalty : logit * options_.repeat_penalty;
    logit -= options_.presence_penalty + options_.frequency_penalty * static_cast<double>(count);
  }
}

// Leaves the candidates that pass top-k, top-p and min-p; at least one stays.
void Sampler::keep_top() {
  const auto before = [](const Candidate& a, const Candidate& b) {
    return descending(a.logit, b.logit) || (!descending(b.logit, a.logit) && a.id < b.id);
  };
  auto& c = candidates_;
  const bool cut_k = options_.top_k > 0 && static_cast<size_t>(options_.top_k) < c.size();
  if (cut_k) {
    std::partial_sort(c.begin(), c.begin() + options_.top_k, c.end(), before);
    c.resize(static_cast<size_t>(options_.top_k));
  }
  if (options_.top_p < 1) {
    if (!cut_k) std::sort(c.begin(), c.end(), before);
    double total = 0;
    for (const Candidate& x : c) total += std::exp(x.logit - c[0].logit);
    double seen = 0;
    size_t kept = 0;
    while (kept < c.size() && seen < options_.top_p * total) seen += std::exp(c[kept++].logit - c[0].logit);
    c.resize(std::max<size_t>(kept, 1));
  }
  if (options_.min_p > 0) {
    double top = -INFINITY;
    for (const Candidate& x : c) top = std::max(top, x.logit);
    const double floor = top + std::log(options_.min_p);
    std::erase_if(c, [&](const Candidate& x) { return x.logit < floor; });
  }
}

int32_t Sampler::draw() {
  double top = -INFINITY;
  for (const Candidate& x : candidates_) top = std::max(top, x.logit);
  double total = 0;
  for (Candidate& x : candidates_) total += x.logit = std::exp((x.logit - top) / options_.temperature);
  double left = rng_.uniform() * total;
  int32_t last = candidates_[0].id;
  for (const Candidate& x : candidates_) {
    if (x.logit == 0) continue;
    last = x.id;
    left -= x.logit;
    if (left < 0) break;
  }
  return last;
}

}  // namespace hindscan
