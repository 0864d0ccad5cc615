#include "explain/effect_sentence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "explain/score_words.h"

namespace hindscan {
namespace {

constexpr size_t kFalls = 3, kRises = 2;  // named
constexpr double kMaterial = 0.1;         // of the largest effect: less is not named
constexpr int kNameColumns = 40;

std::string amount(double v) {
  const double size = std::abs(v);
  return size >= 0.1    ? fmt::format("{:.2f}", size)
         : size >= 0.01 ? fmt::format("{:.3f}", size)
                        : fmt::format("{:.1g}", size);
}

std::string_view edit_before(EditKind kind) {
  constexpr std::string_view all[] = {"With another token for ", "Without what the layers write at ", "Without "};
  return all[static_cast<size_t>(kind)];  // in the order of EditKind
}

class Effects {
 public:
  Effects(const ExplainReport& report, const MethodReport& method)
      : report_(report), method_(method), spans_(edited_spans(report, method)) {
    const std::span<const TokenReport> read(report.tokens.data(), static_cast<size_t>(report.target.position + 1));
    by_ = readable_pieces(read);
    const std::vector<Piece> words = pieces_of(read, 0, std::ssize(read), by_);
    for (const auto& [first, last] : spans_) {
      const Piece edited{first, last, {}};
      const double lost = piece_sum(edited, method.scores());
      lost_.push_back(std::isfinite(lost) ? lost : 0);
      largest_ = std::max(largest_, std::abs(lost_.back()));
      names_.push_back(name_in(words, edited));
    }
  }

  std::string text() const {
    const FoundCounts counts = found_counts(report_, method_);
    if (counts.asked == 0) return " No token stands before it that could be edited.";
    if (largest_ == 0) return " No edit changes it.";
    const std::vector<size_t> falls = strongest(1, kFalls), rises = strongest(-1, kRises);
    std::string out = " " + clause(falls, "falls", true);
    if (!falls.empty() && !rises.empty()) out += "; ";
    out += clause(rises, "rises", falls.empty()) + ".";
    std::vector<size_t> all = falls;
    all.insert(all.end(), rises.begin(), rises.end());
    return out + how_found(all) + tried();
  }

 private:
  std::string text_of(int64_t first, int64_t last) const {
    const auto begin = report_.tokens.begin() + first, end = report_.tokens.begin() + last;
    std::string out;
    for (auto token = begin; token < end; ++token)
      out += token->bytes.empty() ? shown_text(token->id, token->text) : token->bytes;
    return quoted(out, kNameColumns);
  }

  // What is no word of its own is named as a part of one: the word was not edited.
  std::string name_in(const std::vector<Piece>& words, const Piece& edited) const {
    const auto around = std::find_if(words.begin(), words.end(), [&](const Piece& w) { return w.last > edited.first; });
    const std::string name = text_of(edited.first, edited.last);
    const bool within = around->first < edited.first || around->last > edited.last;
    return within ? fmt::format("the part {} of {}", name, quoted(around->bytes, kNameColumns)) : name;
  }

  std::string name(size_t i) const {
    const bool again = std::count(names_.begin(), names_.end(), names_[i]) > 1;
    return by_ == PieceBy::kToken || again ? fmt::format("{} (token {})", names_[i], spans_[i].first) : names_[i];
  }

  std::vector<size_t> strongest(double sign, size_t most) const {
    std::vector<size_t> order;
    for (size_t i = 0; i < lost_.size(); ++i) {
      if (sign * lost_[i] > 0 && sign * lost_[i] >= kMaterial * largest_) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return sign * lost_[a] > sign * lost_[b]; });
    order.resize(std::min(most, order.size()));
    return order;
  }

  Found found(size_t i) const { return method_.found[static_cast<size_t>(spans_[i].first)]; }
  std::string by_how_much(size_t i) const {
    return fmt::format("by {}{}", found(i) == Found::kEstimated ? "about " : "", amount(lost_[i]));
  }

  // `Without "shut" the preference for "door" over "window" falls by 0.19 (from 2.80) and without "and" by 0.080`.
  std::string clause(const std::vector<size_t>& some, const char* verb, bool first) const {
    std::string out;
    const std::string before(edit_before(*method_.effect_of));
    const std::string again = fmt::format("{}{}", static_cast<char>(std::tolower(before[0])), before.substr(1));
    for (const size_t i : some) {
      const bool leads = i == some.front();
      if (!leads) out += i == some.back() ? " and " : ", ";
      out += (leads && first ? before : again) + name(i);
      if (leads) out += fmt::format(" {} {}", first ? target_words(report_) : "it", verb);
      out += " " + by_how_much(i);
      if (leads && first) out += from(lost_[i]);
    }
    return out;
  }

  std::string from(double loss) const {
    const TargetReport& t = report_.target;
    if (!t.contrast_id || t.value() < 0 || loss <= t.value()) return fmt::format(" (from {:.2f})", t.value());
    return fmt::format(" (from {:.2f}: then {} leads)", t.value(),
                       quoted(shown_text(*t.contrast_id, t.contrast_text), kNameColumns));
  }

  std::string how_found(const std::vector<size_t>& some) const {
    const auto guessed = static_cast<size_t>(
        std::count_if(some.begin(), some.end(), [&](size_t i) { return found(i) == Found::kEstimated; }));
    if (guessed == 0)
      return some.size() == 1 ? " This was really run." : " Each of these was really run, one at a time.";
    return guessed == some.size() ? " These are estimates, not runs."
                                  : " \"About\" is an estimate; the others were really run.";
  }

  std::string tried() const {
    const auto asked =
        std::count_if(method_.found.begin(), method_.found.end(), [](Found f) { return f != Found::kNotAsked; });
    if (asked >= report_.target.position) return "";
    return fmt::format(" Only {} of the {} tokens before the last one were tried.", asked, report_.target.position);
  }

  const ExplainReport& report_;
  const MethodReport& method_;
  PieceBy by_ = PieceBy::kToken;
  std::vector<std::pair<int64_t, int64_t>> spans_;  // of the edits
  std::vector<std::string> names_;                  // of the edits
  std::vector<double> lost_;                        // by the edits
  double largest_ = 0;
};

}  // namespace

std::string effect_sentence(const ExplainReport& report, const MethodReport& method) {
  return Effects(report, method).text();
}

}  // namespace hindscan
