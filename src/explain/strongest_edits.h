// Where in a long text the edits stand that do most, from parts of it.
#pragma once
#include <cstdint>
#include <vector>

namespace hindscan {

// How far from the target the strongest edits of a text stand, from those of two parts of it: as far in a longer text
// as it grew from the shorter part to the longer.
class StrongestEdits {
 public:
  void add(int64_t tokens, std::vector<double> distances);
  std::vector<double> at(int64_t tokens) const;  // of each

 private:
  struct Part {
    double tokens = 0, mean = 0;
    std::vector<double> distances;
  };
  Part shortest_, longest_;
};

}  // namespace hindscan
