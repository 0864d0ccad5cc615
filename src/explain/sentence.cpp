#include "explain/sentence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "explain/answers.h"
#include "explain/effect_sentence.h"
#include "explain/pieces.h"
#include "explain/score_words.h"
#include "explain/target_measure.h"

namespace hindscan {
namespace {

constexpr size_t kNamed = 3;  // words of one sign
constexpr int kNameColumns = 40;
constexpr double kWorthWarning = 0.1;  // share of the target that its parts leave over
constexpr double kWorthNaming = 0.05;  // share of all that counted

std::string name_of(const TargetReport& t) { return t.text.empty() ? fmt::format("token {}", t.id) : answer_name(t); }

std::string other_of(const TargetReport& t) {
  return t.contrast_text.empty() ? fmt::format("token {}", *t.contrast_id) : other_name(t);
}

// Of the other answer, by how far it is behind.
double other_probability(const TargetReport& t) { return std::min(1.0, t.probability * std::exp(-t.value())); }

std::string predicted(const ExplainReport& report) {
  const TargetReport& t = report.target;
  const char* input = report.vectors ? "the vectors" : "the text";
  if (t.kind == TargetKind::kNumber) return fmt::format("The model gives {} the number {:.4g}.", input, t.logit);
  if (!target_measure(t.measure).names)
    return fmt::format("{}: {:.2f} {}. Why?",
                       t.kind == TargetKind::kClass ? "How undecided the model is" : "How open it is what comes next",
                       t.value(), target_measure(t.measure).unit);
  const std::string name = name_of(t), pieces = pieces_of_words(report);
  std::string out = fmt::format("The model gives {} a probability of {} ", name, probability_words(t.probability));
  out += t.kind == TargetKind::kClass ? fmt::format("to be the class of {}", input) : "to come next";
  if (t.contrast_id) out += fmt::format(", and {} {}", other_of(t), probability_words(other_probability(t)));
  out += "." + (pieces.empty() ? "" : " " + pieces) + " Why " + name;
  return out + (t.contrast_id ? " rather than " + other_of(t) : "") + "?";
}

struct Words {
  const std::vector<Piece>& pieces;
  PieceBy by;
  std::vector<double> scores;
  double total = 0;

  // The strongest of one sign.
  std::vector<size_t> strongest(double sign) const {
    std::vector<size_t> order;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (sign * scores[i] >= kWorthNaming * total && sign * scores[i] > 0) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return sign * scores[a] > sign * scores[b]; });
    order.resize(std::min(kNamed, order.size()));
    return order;
  }

  std::string name(size_t i) const { return quoted(pieces[i].bytes, kNameColumns); }

  // "a", "b" and "c"; by their places too where letters are named, or several of the same name.
  std::string named(const std::vector<size_t>& some, const std::vector<size_t>& others) const {
    const auto is_named_again = [&](size_t i) {
      const auto same = [&](size_t other) { return other != i && name(other) == name(i); };
      return std::any_of(some.begin(), some.end(), same) || std::any_of(others.begin(), others.end(), same);
    };
    std::string out;
    for (size_t i = 0; i < some.size(); ++i) {
      out += i == 0 ? "" : i + 1 == some.size() ? " and " : ", ";
      out += name(some[i]);
      if (by == PieceBy::kToken || is_named_again(some[i])) out += fmt::format(" (token {})", pieces[some[i]].first);
    }
    return out;
  }
};

std::string mattered(const Words& words, const char* piece, bool targeted) {
  const std::vector<size_t> raise = words.strongest(1), lower = targeted ? words.strongest(-1) : std::vector<size_t>();
  const std::string up = words.named(raise, lower), down = words.named(lower, raise);
  if (!targeted) return up.empty() ? "" : fmt::format(" It drew most on {}.", up);
  if (up.empty() && down.empty()) return fmt::format(" No {} stands out.", piece);
  std::string out = up.empty() ? "" : fmt::format(" Most for it: {}.", up);
  return down.empty() ? out : out + fmt::format(" Most against it: {}.", down);
}

// Of scores that should add up and do not.
std::string caveat(const MethodReport& method) {
  const std::optional<Completeness>& whole = method.total().completeness;
  if (!whole || std::abs(whole->residual) <= kWorthWarning * std::abs(whole->target)) return "";
  return fmt::format(" But its scores miss the target by {:.3g}: do not rely on them.", std::abs(whole->residual));
}

}  // namespace

std::string explain_sentence(const ExplainReport& report, const MethodReport& method, PieceBy by) {
  if (method.effect_of) return predicted(report) + effect_sentence(report, method);
  const std::span<const TokenReport> read(report.tokens.data(), static_cast<size_t>(report.target.first() + 1));
  const PieceBy shown = by >= PieceBy::kSentence ? by : readable_pieces(read);
  const std::vector<Piece> pieces = pieces_of(read, 0, std::ssize(read), shown);
  Words words{pieces, shown, {}, 0};
  for (const Piece& p : pieces) {
    const double score = piece_sum(p, method.scores());
    // Without a target a sign says nothing for or against: the largest are named, as the table ranks them.
    words.scores.push_back(!std::isfinite(score) ? 0 : method.targeted ? score : std::abs(score));
    words.total += std::abs(words.scores.back());
  }
  return predicted(report) + mattered(words, piece_word(report, by), method.targeted) + caveat(method);
}

}  // namespace hindscan
