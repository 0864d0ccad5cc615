// How many threads the work takes while other processes want the same cores: a team that waits for a thread without a
// core is many times slower than one thread alone. Results do not depend on the number.
#pragma once
#include <optional>

#include "hindscan/threads.h"

namespace hindscan {

// What is seen between two pieces of work.
struct CoreUse {
  double now = 0;             // seconds
  std::optional<int> others;  // processes and threads that want a core besides ours; null: not known
  double running = 1;         // share of the time since the last look that the calling thread had a core
};

// The number of threads, from what was seen so far. Two looks must agree before it changes.
class ThreadGovernor {
 public:
  explicit ThreadGovernor(int most, std::optional<int> others = std::nullopt);
  int threads() const { return threads_; }
  int look(const CoreUse& use);

 private:
  int free(std::optional<int> others) const;
  int most_, threads_;
  int fewer_ = 0, more_ = 0, late_ = 0;  // looks in a row that speak for a change
  double hold_until_ = 0, pause_;  // after waiting for late threads: no more of them before, and how long next time
};

// Between two pieces of work, as often as one likes: changes the OpenMP team of the calling thread, once that asked for
// it (share_cores). A library leaves that to its caller.
void reconsider_threads();

}  // namespace hindscan
