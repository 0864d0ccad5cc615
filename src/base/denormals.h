// Numbers too small to be normal: floats below 1.2e-38, doubles below 2.2e-308. What decays over a long text ends among
// them, where some processors take many times as long for each.
#pragma once
#include <cstdint>
#include <vector>

namespace hindscan {

// They count as zero on this thread and on those that it starts.
void flush_denormals();

// The same for its scope, of this thread and its OpenMP team: a library leaves its caller's threads as they were.
class FlushedDenormals {
 public:
  FlushedDenormals();
  ~FlushedDenormals();
  FlushedDenormals(const FlushedDenormals&) = delete;
  FlushedDenormals& operator=(const FlushedDenormals&) = delete;

 private:
  std::vector<uint64_t> before_;  // by thread of the team; empty: they count as zero already
};

}  // namespace hindscan
