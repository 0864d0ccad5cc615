// What of the logits is explained: a function of them with its slope (targets.def).
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hindscan {

// The logits that a target reads: of the whole vocabulary, or of the tokens that it names.
struct ReadLogits {
  std::span<const double> logits;
  std::span<const size_t> own, against;  // where in `logits` the named tokens stand, and those of the other answer
};

struct TargetMeasure {
  const char *name, *noun, *unit;
  bool whole, names;
  double (*value)(const ReadLogits& read);
  void (*slope)(const ReadLogits& read, std::span<double> out);  // out: of each logit, zeros before
};

std::span<const TargetMeasure> target_measures();
const TargetMeasure& target_measure(std::string_view name);  // Error(kUsage) lists the names

// Several tokens as one: log of the sum of their exponentials; 0 of none, of one its logit.
double group_logit(const ReadLogits& read, std::span<const size_t> group);
double all_logits_as_one(const ReadLogits& read);
// Adds `factor` times the slope of group_logit, or of all_logits_as_one.
void add_group_slope(const ReadLogits& read, std::span<const size_t> group, double factor, std::span<double> out);
void add_slope_of_all(const ReadLogits& read, double factor, std::span<double> out);

}  // namespace hindscan
