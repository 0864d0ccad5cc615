#include "explain/score_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "explain/answers.h"
#include "explain/effects.h"
#include "explain/target_measure.h"

namespace hindscan {
namespace {

struct EditWords {
  const char* doing;  // "removing it"
  const char* done;   // each token ..., on its own
};

EditWords edit_words(EditKind kind) {
  constexpr EditWords all[] = {{"replacing it", "replaced"},
                               {"dropping its write", "kept from being written to the layers' memory"},
                               {"removing it", "removed"}};  // in the order of EditKind
  return all[static_cast<size_t>(kind)];
}

const char* target_noun(const TargetReport& t) {
  if (t.contrast_id) return "the preference";
  return t.kind == TargetKind::kNumber ? "the number" : target_measure(t.measure).noun;
}

}  // namespace

SignWords sign_words(const ExplainReport& report, const MethodReport& method) {
  if (method.effect_of) {
    const char* doing = edit_words(*method.effect_of).doing;
    const char* what = target_noun(report.target);
    return {fmt::format("{} lowers {}", doing, what), fmt::format("{} raises {}", doing, what)};
  }
  return method.targeted ? SignWords{"raise the target", "lower it"} : SignWords{"positive weights", "negative ones"};
}

std::string target_words(const ExplainReport& report) {
  const TargetReport& t = report.target;
  if (t.kind == TargetKind::kNumber || !target_measure(t.measure).names) return target_noun(t);
  if (!t.contrast_id) return fmt::format("{} of {}", target_noun(t), answer_name(t));
  return fmt::format("{} for {} over {}", target_noun(t), answer_name(t), other_name(t));
}

std::string value_words(double value) {
  return value == 0 || std::abs(value) >= 0.095 ? fmt::format("{:.2f}", value) : fmt::format("{:.2g}", value);
}

bool is_preference(const ExplainReport& report) { return report.target.contrast_id.has_value(); }

bool is_log_p(const ExplainReport& report) { return report.target.measure == "log-p"; }

std::string value_unit(const ExplainReport& report) {
  if (report.target.kind == TargetKind::kNumber) return "";
  const TargetMeasure& m = target_measure(report.target.measure);
  return std::string_view(m.unit) == m.name ? "" : fmt::format(" {}", m.unit);
}

std::string probability_words(double p) {
  if (p > 0.995) return "over 99 %";
  if (p >= 0.095) return fmt::format("{:.0f} %", 100 * p);
  if (p >= 0.001) return fmt::format("{:.1f} %", 100 * p);
  if (p < 1e-9) return "less than 1 in a billion";
  const double digits = std::pow(10, std::floor(std::log10(1 / p)) - 1);  // two that count
  return fmt::format("1 in {:.0f}", std::round(1 / p / digits) * digits);
}

std::string factor_words(double change) {
  const double ratio = std::exp(std::abs(change));
  if (ratio < 1.05) return "just";
  if (ratio < 9.95) return fmt::format("{:.1f} times", ratio);
  if (ratio < 999.5) return fmt::format("{:.0f} times", ratio);
  if (ratio < 999.5e3) return fmt::format("{:.0f} thousand times", ratio / 1e3);
  return ratio < 999.5e6 ? fmt::format("{:.0f} million times", ratio / 1e6) : "over a billion times";
}

std::string change_words(double lost) {
  return fmt::format("{} {} likely", std::abs(lost) < kHardly ? "hardly" : factor_words(lost),
                     lost > 0 ? "less" : "more");
}

std::string Lead::sentence() const { return fmt::format("{} is {} as {}", ahead, times, behind); }

Lead lead_at(const ExplainReport& report, double value, bool about) {
  std::string one = answer_name(report.target), other = other_name(report.target);
  if (value < 0) std::swap(one, other);
  return {std::move(one), std::move(other), fmt::format("{}{} as likely", about ? "about " : "", factor_words(value))};
}

std::string asked_words(const ExplainReport& report, const MethodReport& method) {
  if (!method.effect_of) return "";
  const TargetReport& t = report.target;
  std::string out = fmt::format("each {} {}, alone", method.edited, edit_words(*method.effect_of).done);
  if (!method.edit_words.empty()) out += "; " + method.edit_words;
  if (!t.contrast_id) return out;
  return out + fmt::format("; the other answer stays {}", other_name(t));
}

std::vector<std::pair<int64_t, int64_t>> edited_spans(const ExplainReport& report, const MethodReport& method) {
  std::vector<std::pair<int64_t, int64_t>> out;
  for (int64_t t = 0; t <= report.target.first(); ++t) {
    const bool joins = !out.empty() && !method.edited_first.empty() && method.edited_first[static_cast<size_t>(t)] < t;
    if (joins)
      out.back().second = t + 1;
    else
      out.emplace_back(t, t + 1);
  }
  return out;
}

std::string found_words(const MethodReport& method, const Piece& piece) {
  if (!method.effect_of || method.found.empty()) return "";
  const auto found = [&](int64_t t) { return method.found[static_cast<size_t>(t)]; };
  const auto begins = [&](int64_t t) {
    return method.edited_first.empty() || method.edited_first[static_cast<size_t>(t)] == t;
  };
  bool asked = false, several = false;
  for (int64_t t = piece.first; t < piece.last; ++t) {
    asked = asked || found(t) != Found::kNotAsked;
    several = several || (t > piece.first && begins(t));
  }
  if (!asked) return "-";
  if (several) return "sum";
  const bool whole = begins(piece.first) && (piece.last == std::ssize(method.found) || begins(piece.last));
  return !whole ? "part" : found(piece.first) == Found::kMeasured ? "run" : "estimate";
}

FoundCounts found_counts(const ExplainReport& report, const MethodReport& method) {
  FoundCounts out;
  for (const auto& [first, last] : edited_spans(report, method)) {
    const Found f = method.found[static_cast<size_t>(first)];
    out.asked += f != Found::kNotAsked;
    out.measured += f == Found::kMeasured;
  }
  return out;
}

bool tells(const ExplainReport& report, const MethodReport& method, PieceBy by, std::string_view found) {
  const std::vector<Piece> pieces = pieces_of(report.tokens, 0, report.target.first() + 1, by);
  return std::any_of(pieces.begin(), pieces.end(), [&](const Piece& p) { return found_words(method, p) == found; });
}

}  // namespace hindscan
