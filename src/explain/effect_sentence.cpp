#include "explain/effect_sentence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "explain/effects.h"
#include "explain/score_words.h"

namespace hindscan {
namespace {

constexpr size_t kFalls = 3, kRises = 2;  // named
constexpr double kDecides = 0.22;         // of what one answer is ahead of the other: a quarter

std::string amount(double v) {
  const double size = std::abs(v);
  return size >= 0.1    ? fmt::format("{:.2f}", size)
         : size >= 0.01 ? fmt::format("{:.3f}", size)
                        : fmt::format("{:.1g}", size);
}

std::string_view edit_before(EditKind kind) {
  constexpr std::string_view all[] = {"with another token for ", "without what the layers write at ", "without "};
  return all[static_cast<size_t>(kind)];  // in the order of EditKind
}

class Sentence {
 public:
  Sentence(const ExplainReport& report, const MethodReport& method)
      : report_(report), method_(method), effects_(effects_of(report, method)), largest_(largest_loss(effects_)) {}

  std::string text() const {
    if (effects_.empty()) return fmt::format(" No {} stands before it that could be edited.", method_.edited);
    if (largest_ == 0) return " No edit changes it.";
    std::vector<const Effect*> falls = strongest(1, kFalls), all = falls;
    const std::vector<const Effect*> rises = strongest(-1, kRises);
    all.insert(all.end(), rises.begin(), rises.end());
    if (all.empty()) return fmt::format(" What it does without each {} is only approximate here.", method_.edited);
    if (is_log_p(report_)) return " " + factors(falls, rises) + how_found(all) + tried();
    if (!is_preference(report_)) return " " + amounts(falls, rises) + how_found(all) + tried();
    if (largest_ > kDecides) return " " + leads(all) + how_found(all) + tried();
    all = {*std::max_element(all.begin(), all.end(),
                             [](const Effect* a, const Effect* b) { return std::abs(a->lost) < std::abs(b->lost); })};
    return " " + none_decides(*all[0]) + how_found(all) + tried();
  }

 private:
  // Where the check of a method does not bear its estimates out, what was run alone is named.
  std::vector<const Effect*> strongest(double sign, size_t most) const {
    std::vector<const Effect*> out;
    for (const Effect& e : effects_) {
      if (method_.approximate && e.found != Found::kMeasured) continue;
      if (sign * e.lost > 0 && sign * e.lost >= kMaterial * largest_) out.push_back(&e);
    }
    std::stable_sort(out.begin(), out.end(),
                     [&](const Effect* a, const Effect* b) { return sign * a->lost > sign * b->lost; });
    out.resize(std::min(most, out.size()));
    return out;
  }

  std::string without(const Effect& e) const { return fmt::format("{}{}", edit_before(*method_.effect_of), e.name); }

  // `With the whole text "door" is 16 times as likely as "window"; without "shut", "window" is 1.2 times as likely as
  // "door"; without "and", "door" is only 11 times as likely as "window", without "He" only 13 times as likely.`
  std::string leads(const std::vector<const Effect*>& all) const {
    std::string out = fmt::format("With the whole text {}", lead_at(report_, report_.target.value()).sentence());
    std::string ahead;
    for (size_t i = 0; i < all.size(); ++i) {
      const Lead lead = after(*all[i]);
      if (lead.ahead != ahead) {
        out +=
            fmt::format("; {}, {} is {}{} as {}", without(*all[i]), lead.ahead, only(*all[i]), lead.times, lead.behind);
      } else {
        const bool last = i + 1 == all.size() || after(*all[i + 1]).ahead != ahead;
        out += fmt::format("{} {} {}{}", last ? " and" : ",", without(*all[i]), only(*all[i]), lead.times);
      }
      ahead = lead.ahead;
    }
    return out + ".";
  }

  Lead after(const Effect& e) const {
    return lead_at(report_, report_.target.value() - e.lost, e.found == Found::kEstimated);
  }

  const char* only(const Effect& e) const {
    const double value = report_.target.value(), then = value - e.lost;
    const bool less = (then < 0) == (value < 0) && std::abs(then) < std::abs(value);
    return less && after(e).times != lead_at(report_, value).times ? "only " : "";
  }

  // Where none changes much: what changes most.
  std::string none_decides(const Effect& most) const {
    const Lead lead = lead_at(report_, report_.target.value());
    return fmt::format("With the whole text {}. No single {} decides that: {}, which changes it most, {}.",
                       lead.sentence(), method_.edited, without(most), after(most).sentence());
  }

  // `Without "shut" it is 16 times less likely and without "and" 1.2 times; without "he" it is 1.1 times more likely.`
  std::string factors(const std::vector<const Effect*>& falls, const std::vector<const Effect*>& rises) const {
    std::string out = factor_clause(falls, "less");
    if (!falls.empty() && !rises.empty()) out += "; ";
    out += factor_clause(rises, "more") + ".";
    out[0] = static_cast<char>(std::toupper(out[0]));
    return out;
  }

  std::string factor_clause(const std::vector<const Effect*>& some, const char* how) const {
    std::string out;
    for (const Effect* e : some) {
      const bool begins = e == some.front();
      if (!begins) out += e == some.back() ? " and " : ", ";
      const std::string about = e->found == Found::kEstimated ? "about " : "";
      const bool hardly = std::abs(e->lost) < kHardly;
      out += fmt::format("{} {}", without(*e), begins ? "it is " : "");
      out += hardly ? "hardly" : about + factor_words(e->lost);
      if (begins) out += fmt::format(" {} likely", how);
    }
    return out;
  }

  // `Without "shut" the number falls by 0.19 bits (from 2.80) and without "and" by 0.080; without "he" it rises by
  // 0.10.`
  std::string amounts(const std::vector<const Effect*>& falls, const std::vector<const Effect*>& rises) const {
    std::string out = clause(falls, "falls", true);
    if (!falls.empty() && !rises.empty()) out += "; ";
    out += clause(rises, "rises", falls.empty()) + ".";
    out[0] = static_cast<char>(std::toupper(out[0]));
    return out;
  }

  std::string clause(const std::vector<const Effect*>& some, const char* verb, bool first) const {
    std::string out;
    for (const Effect* e : some) {
      const bool begins = e == some.front();
      if (!begins) out += e == some.back() ? " and " : ", ";
      out += without(*e);
      if (begins) out += fmt::format(" {} {}", first ? target_words(report_) : "it", verb);
      out += fmt::format(" by {}{}", e->found == Found::kEstimated ? "about " : "", amount(e->lost));
      if (begins && first) out += fmt::format("{} (from {})", value_unit(report_), value_words(report_.target.value()));
    }
    return out;
  }

  std::string how_found(const std::vector<const Effect*>& some) const {
    if (some.empty()) return "";
    const auto guessed = static_cast<size_t>(
        std::count_if(some.begin(), some.end(), [](const Effect* e) { return e->found == Found::kEstimated; }));
    if (guessed == some.size()) return " These are estimates, not runs.";
    if (guessed > 0) return " \"About\" is an estimate; the others were really run.";
    const std::string run = some.size() == 1 ? " This was really run" : " Each of these was really run, one at a time";
    return run + (method_.approximate ? "; what the others do is only approximate." : ".");
  }

  std::string tried() const {
    const auto asked =
        std::count_if(method_.found.begin(), method_.found.end(), [](Found f) { return f != Found::kNotAsked; });
    const int64_t all = report_.target.removable();
    return asked >= all ? "" : fmt::format(" Only {} of {} tokens were tried.", asked, all);
  }

  const ExplainReport& report_;
  const MethodReport& method_;
  std::vector<Effect> effects_;
  double largest_;
};

}  // namespace

std::string effect_sentence(const ExplainReport& report, const MethodReport& method) {
  return Sentence(report, method).text();
}

}  // namespace hindscan
