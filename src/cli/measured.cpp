#include "cli/measured.h"

#include <fmt/format.h>

#include "base/counted.h"

namespace hindscan::cli {

std::string interval_text(const std::optional<Interval>& v, int digits) {
  return v ? fmt::format(" [{:.{}f}, {:.{}f}]", v->low, digits, v->high, digits) : "";
}

std::string percent_text(const std::optional<Interval>& share, int digits) {
  return share ? interval_text(Interval{100 * share->low, 100 * share->high}, digits) : "";
}

std::string describe(const LabelledScore& s) {
  if (s.regression) {
    const std::string interval = s.interval ? fmt::format(" [{:.6g}, {:.6g}]", s.interval->low, s.interval->high) : "";
    return fmt::format("RMSE {:.6g}{} on {}", s.rmse, interval, counted(s.examples, "sequence"));
  }
  return fmt::format("accuracy {:.2f} %{}   loss {:.4f} nats on {}", 100 * s.accuracy, percent_text(s.interval, 2),
                     s.loss, counted(s.examples, "sequence"));
}

}  // namespace hindscan::cli
