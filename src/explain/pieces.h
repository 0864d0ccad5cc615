// Tokens joined into what a person reads: whole characters always, words, sentences or paragraphs on request; scores
// are summed.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "explain/report.h"

namespace hindscan {

enum class PieceBy : uint8_t { kToken, kWord, kSentence, kParagraph };
inline constexpr std::array kPieces = {PieceBy::kToken, PieceBy::kWord, PieceBy::kSentence, PieceBy::kParagraph};
PieceBy parse_piece_by(const std::string& name);  // "token", "word", "sentence", "paragraph"; Error(kUsage)
const char* piece_by_name(PieceBy by);
const char* piece_word(const ExplainReport& report, PieceBy by);  // the same, or "vector" where the input is vectors

// Tokens [first, last) and what they say together. Bytes that make no character stay as they are (faces escape them).
struct Piece {
  int64_t first = 0, last = 0;
  std::string bytes;  // "<id>" for a token without text
};

// Tokens [begin, end) without gap or overlap. A character (also one of several code points) is never cut; kToken joins
// only the tokens that share one. Words of scripts without spaces stay as the tokenizer cut them. Paragraphs end with a
// blank line, or where the text has none, with a line; lines of blanks alone are none of these.
std::vector<Piece> pieces_of(std::span<const TokenReport> tokens, int64_t begin, int64_t end, PieceBy by);

// Words, or tokens where letters follow each other without spaces and make no words.
PieceBy readable_pieces(std::span<const TokenReport> tokens);

std::string_view bytes_of(const TokenReport& token);
std::string shown_text(int32_t id, const std::string& text);  // of a token; "<id>" of one without text

// At most `columns` wide and between marks, other ones around a text that has such marks itself; a leading space is the
// tokenizer's, not the reader's.
std::string quoted(std::string_view bytes, int columns);

// Sums over the tokens of one piece; values [T].
template <class T>
double piece_sum(const Piece& piece, std::span<const T> values) {
  double sum = 0;
  for (int64_t t = piece.first; t < piece.last; ++t) sum += static_cast<double>(values[static_cast<size_t>(t)]);
  return sum;
}

// What is written out of a text: the pieces, long ones (sentences, paragraphs) as their words, each with the score of
// the whole.
struct ScoredPiece {
  Piece piece;
  double score = 0;
};
std::vector<ScoredPiece> written_out(std::span<const TokenReport> tokens, int64_t begin, int64_t end, PieceBy by,
                                     std::span<const double> scores);

// Of every layer; layers [L, tokens]: [L].
std::vector<double> piece_layers(const Piece& piece, std::span<const float> layers, size_t tokens);

}  // namespace hindscan
