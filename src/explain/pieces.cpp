#include "explain/pieces.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "explain/text_cuts.h"
#include "io/printable.h"
#include "io/unicode_class.h"

namespace hindscan {

std::string_view bytes_of(const TokenReport& token) {
  return token.bytes.empty() ? std::string_view(token.text) : std::string_view(token.bytes);
}

std::string shown_text(int32_t id, const std::string& text) { return text.empty() ? fmt::format("<{}>", id) : text; }

const char* piece_by_name(PieceBy by) {
  constexpr const char* names[] = {"token", "word", "sentence", "paragraph"};
  return names[static_cast<size_t>(by)];
}

const char* piece_word(const ExplainReport& report, PieceBy by) {
  return report.vectors ? "vector" : piece_by_name(by);
}

PieceBy parse_piece_by(const std::string& name) {
  for (const PieceBy by : kPieces) {
    if (name == piece_by_name(by)) return by;
  }
  fail(ErrorCode::kUsage, "[explain] expected token, word, sentence or paragraph, found '{}'", name);
}

PieceBy readable_pieces(std::span<const TokenReport> tokens) {
  constexpr size_t kLettersOfAWord = 12;  // on average: what is longer runs on, as genes do
  size_t letters = 0, single = 0;
  bool spaces = false;
  for (const TokenReport& t : tokens) {
    const auto here =
        static_cast<size_t>(std::count_if(t.text.begin(), t.text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
    letters += here;
    single += here == 1;
    spaces |= std::any_of(t.text.begin(), t.text.end(), [](char c) { return is_space(static_cast<uint8_t>(c)); });
  }
  if (letters == 0) return PieceBy::kToken;                 // numbers alone are known of them
  const bool spelled = single == tokens.size() && !spaces;  // every token a letter: no telling where a word begins
  const size_t words = pieces_of(tokens, 0, std::ssize(tokens), PieceBy::kWord).size();
  return spelled || words * kLettersOfAWord < letters ? PieceBy::kToken : PieceBy::kWord;
}

std::vector<Piece> pieces_of(std::span<const TokenReport> tokens, int64_t begin, int64_t end, PieceBy by) {
  const TextCuts text(tokens, begin, end);
  std::vector<Piece> out;
  const auto n = static_cast<size_t>(end - begin);
  for (size_t first = 0, t = 1; first < n; ++t) {
    if (t < n && text.joins(first, t, by)) continue;
    const std::string_view bytes = text.between(first, t);
    const auto id = tokens[static_cast<size_t>(begin) + first].id;
    out.push_back(
        {begin + static_cast<int64_t>(first), begin + static_cast<int64_t>(t), shown_text(id, std::string(bytes))});
    first = t;
  }
  return out;
}

std::vector<ScoredPiece> written_out(std::span<const TokenReport> tokens, int64_t begin, int64_t end, PieceBy by,
                                     std::span<const double> scores) {
  std::vector<ScoredPiece> out;
  for (Piece& whole : pieces_of(tokens, begin, end, by)) {
    const double score = piece_sum(whole, scores);
    if (by < PieceBy::kSentence) {
      out.push_back({std::move(whole), score});
      continue;
    }
    for (Piece& word : pieces_of(tokens, whole.first, whole.last, PieceBy::kWord))
      out.push_back({std::move(word), score});
  }
  return out;
}

std::vector<double> piece_layers(const Piece& piece, std::span<const float> layers, size_t tokens) {
  std::vector<double> out;
  for (size_t at = 0; tokens > 0 && at < layers.size(); at += tokens)
    out.push_back(piece_sum<float>(piece, layers.subspan(at, tokens)));
  return out;
}

std::string quoted(std::string_view bytes, int columns) {
  const size_t begin = std::min(bytes.find_first_not_of(' '), bytes.size());
  const std::string text = printable(begin < bytes.size() ? bytes.substr(begin) : bytes, columns).text;
  const bool has_mark = text.find('"') != std::string::npos;
  return has_mark ? "\u00ab" + text + "\u00bb" : "\"" + text + "\"";
}

}  // namespace hindscan
