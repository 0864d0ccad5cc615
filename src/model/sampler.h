// Picks the next token from logits: penalties, then top-k, top-p, min-p on the model's own distribution, then
// temperature.
#pragma once
#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/rng.h"

namespace hindscan {

struct SamplerOptions {
  double temperature = 1;        // 0: greedy
  int64_t top_k = 0;             // 0: off
  double top_p = 1;              // 1: off
  double min_p = 0;              // 0: off; relative to the most probable token
  double repeat_penalty = 1;     // 1: off; divides positive logits, multiplies negative ones (CTRL)
  double presence_penalty = 0;   // subtracted once for a token already present
  double frequency_penalty = 0;  // subtracted per occurrence
  int64_t penalty_window = 64;   // tokens that the penalties look back; -1: all
  uint64_t seed = 0;
};

// Same options, logits and history: same token, on every machine with the same logits.
class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options);  // Error(kUsage) for a value outside its range
  // Error(kData) when a logit is NaN or +infinity, or all are -infinity.
  int32_t sample(std::span<const float> logits);
  void accept(int32_t token);  // the penalties see it from now on

 private:
  struct Candidate {
    double logit;
    int32_t id;
  };
  void penalise();
  void keep_top();
  int32_t draw();

  SamplerOptions options_;
  Rng rng_;
  std::deque<int32_t> window_;
  std::unordered_map<int32_t, int64_t> counts_;
  std::vector<Candidate> candidates_;
};

// log(sum(exp(logits))) in double; Error(kData) as for sample().
double log_sum_exp(std::span<const float> logits);

}  // namespace hindscan
