#include "explain/answers.h"

#include <fmt/format.h>

#include <cctype>
#include <span>
#include <string_view>
#include <vector>

#include "explain/pieces.h"

namespace hindscan {
namespace {

constexpr int kNameColumns = 40;

// Of all members of a group.
std::vector<std::string> texts_of(int32_t id, const std::string& text, const std::vector<int32_t>& also,
                                  const std::vector<std::string>& also_texts) {
  std::vector<std::string> out{shown_text(id, text)};
  for (size_t i = 0; i < also.size(); ++i) out.push_back(shown_text(also[i], also_texts[i]));
  return out;
}

std::vector<std::string> answers(const TargetReport& t) { return texts_of(t.id, t.text, t.also, t.also_texts); }
std::vector<std::string> others(const TargetReport& t) {
  if (!t.contrast_id) return {};
  return texts_of(*t.contrast_id, t.contrast_text, t.contrast_also, t.contrast_also_texts);
}

// `"a"`, `"a" or "b"`, `"a", "b" or "c"`.
std::string listed(const std::vector<std::string>& names, const char* last) {
  std::string out;
  for (size_t i = 0; i < names.size(); ++i)
    out += (i == 0 ? "" : i + 1 == names.size() ? fmt::format(" {} ", last) : ", ") + names[i];
  return out;
}

std::vector<std::string> all_quoted(const std::vector<std::string>& texts) {
  std::vector<std::string> out;
  out.reserve(texts.size());
  for (const std::string& text : texts) out.push_back(quoted(text, kNameColumns));
  return out;
}

std::string written(std::vector<std::string> texts) {
  for (size_t i = 1; i < texts.size(); ++i) {
    if (texts[i].size() > 1 && texts[i].front() == ' ') texts[i].erase(0, 1);
  }
  return listed(texts, "or");
}

// The word that the text ends with as the answer goes on with it; nothing where it begins another.
std::string joined_word(std::span<const TokenReport> read, const std::string& answer) {
  std::vector<TokenReport> tokens(read.begin(), read.end());
  tokens.push_back({0, answer, ""});
  const Piece last = pieces_of(tokens, 0, std::ssize(tokens), PieceBy::kWord).back();
  return last.first < std::ssize(read) ? last.bytes : "";
}

// " c": no English word, as " a", " I" and " O" are; what is said of it stays true where it is one.
bool is_one_letter(std::string_view answer) {
  constexpr std::string_view words = "aAIO";
  return answer.size() == 2 && answer[0] == ' ' && std::isalpha(static_cast<unsigned char>(answer[1])) != 0 &&
         words.find(answer[1]) == std::string_view::npos;
}

}  // namespace

std::string answer_name(const TargetReport& target) { return listed(all_quoted(answers(target)), "or"); }
std::string other_name(const TargetReport& target) { return listed(all_quoted(others(target)), "or"); }

static std::string joined(std::string text, const std::vector<std::string>& also_texts) {
  for (const std::string& other : also_texts) text += "|" + other;
  return text;
}
std::string answer_text(const TargetReport& target) { return joined(target.text, target.also_texts); }
std::string other_text(const TargetReport& target) { return joined(target.contrast_text, target.contrast_also_texts); }

std::string answer_written(const TargetReport& target) { return written(answers(target)); }
std::string other_written(const TargetReport& target) { return written(others(target)); }

std::string pieces_of_words(const ExplainReport& report) {
  const TargetReport& t = report.target;
  const std::span<const TokenReport> read(report.tokens.data(), static_cast<size_t>(t.first() + 1));
  if (t.kind != TargetKind::kToken || readable_pieces(read) != PieceBy::kWord) return "";
  std::vector<std::string> all = answers(t), parts, words, letters;
  for (std::string& other : others(t)) all.push_back(std::move(other));
  for (const std::string& answer : all) {
    const std::string word = joined_word(read, answer);
    if (!word.empty()) {
      parts.push_back(quoted(answer, kNameColumns));
      words.push_back(quoted(word, kNameColumns));
    }
    if (is_one_letter(answer)) letters.push_back(quoted(answer, kNameColumns));
  }
  if (!parts.empty())
    return fmt::format("{} {} on with the last word: {}.", listed(parts, "and"), parts.size() == 1 ? "goes" : "go",
                       listed(words, "and"));
  if (letters.empty()) return "";
  return fmt::format("{} may be only the {}, which the model writes in pieces.", listed(letters, "and"),
                     letters.size() == 1 ? "beginning of a longer word" : "beginnings of longer words");
}

}  // namespace hindscan
