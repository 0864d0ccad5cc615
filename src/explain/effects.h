// What each edit of a text did to the target, by the name that people know it by.
#pragma once
#include <string>
#include <vector>

#include "explain/report.h"

namespace hindscan {

struct Effect {
  int64_t first = 0, last = 0;  // tokens [first, last), edited together
  std::string name;             // "shut" between marks; in its surroundings where the text has several
  std::string place;            // the part of its name that says where, where there is one: ` in "nice rooms which"`
  double lost = 0;              // by the target; 0 where it is not finite
  Found found = Found::kEstimated;
};

inline constexpr double kMaterial = 0.1;  // of the largest effect: what does less is not named
inline constexpr double kHardly = 0.05;   // of what one answer is ahead of another: about 5 %

// The edits that were asked for, in the order of the text; of a method with effect_of.
std::vector<Effect> effects_of(const ExplainReport& report, const MethodReport& method);

double largest_loss(const std::vector<Effect>& effects);  // the largest |lost|

}  // namespace hindscan
