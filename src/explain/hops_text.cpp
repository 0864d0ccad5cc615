#include "explain/hops_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "explain/answers.h"
#include "explain/pieces.h"

namespace hindscan {
namespace {

constexpr int kNameColumns = 30;

// With the tokens behind it that make one character with it.
std::string name_of(const ExplainReport& r, int64_t token) {
  constexpr int64_t kLongest = 32;
  const int64_t end = std::min<int64_t>(token + kLongest, std::ssize(r.tokens));
  const Piece whole = pieces_of(r.tokens, token, end, PieceBy::kToken).front();
  return fmt::format("{} (token {})", quoted(whole.bytes, kNameColumns), token);
}

std::string answer_of(const ExplainReport& r, const Hop& hop) {
  if (hop.of) return name_of(r, hop.target.position + 1);
  return fmt::format("{} (the answer)", answer_name(hop.target));
}

std::string probability(double log_p) {
  const double p = std::exp(log_p);
  return p < 0.001 ? fmt::format("{:.0e}", p) : fmt::format("{:.3f}", p);
}

std::string source_line(const ExplainReport& r, const Hop& hop, const HopSource& s) {
  std::string out = fmt::format("        {:<{}} without it {}{}", name_of(r, s.token), kNameColumns,
                                s.measured ? "" : "about ", probability(hop.target.value() - s.lost));
  if (s.hop) out += fmt::format("; the model would have said it itself: step {}", r.hops[*s.hop].step);
  return out + "\n";
}

}  // namespace

std::string hops_text(const ExplainReport& r) {
  std::string out;
  for (const Hop& hop : r.hops) {
    out += fmt::format("step {}  {}, of a probability of {}, came from\n", hop.step, answer_of(r, hop),
                       probability(hop.target.value()));
    for (const HopSource& s : hop.sources) out += source_line(r, hop, s);
    if (hop.sources.empty()) out += "        nothing before it\n";
  }
  return out.empty() ? out : out + "\n";
}

}  // namespace hindscan
