// What work takes on this machine, foretold from parts of it that were timed.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

namespace hindscan {

// Two amounts that seconds grow with: chunks and tokens, or tokens and entries. The second one, never 0, counts alone
// where only one part was timed, or where two parts contradict the first.
struct Amounts {
  double rest = 0, main = 0;
};

class CostFit {
 public:
  void add(Amounts work, double seconds);  // the last two of different `main` count
  double seconds(Amounts work) const;      // NaN before the first part

 private:
  struct Timed {
    Amounts work;
    double seconds;
  };
  std::vector<Timed> timed_;
};

double seconds_once(const std::function<void()>& call);
// Seconds of a call; where it is short, of several, as the first one may touch what is cold.
double seconds_of(const std::function<void()>& call);

// A guess of so many seconds is worth a better one: from timed parts, where the first of them is at most this share of
// all that is asked for.
inline constexpr double kWorthTiming = 3, kSmallShare = 0.1;
inline constexpr int64_t kFirstTokens = 16;  // of the first part

// Into how many chunks a sample of a text in chunks is cut: the first one touches memory that the others find warm.
inline constexpr int64_t kSampleChunks = 4;

// Calls sample(n), which returns the part's seconds, for growing n up to `most` tokens (the first n twice where its
// first time may have touched what is cold): at least two of them, until the seconds have grown with n, and more as
// long as they take little of what foretold() says of the whole.
void sample_growing(int64_t first, int64_t most, const std::function<double(int64_t n)>& sample,
                    const std::function<double()>& foretold);

}  // namespace hindscan
