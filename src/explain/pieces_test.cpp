#include "explain/pieces.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/utf8.h"
#include "explain/text_cuts.h"

namespace hindscan {
namespace {

using Strings = std::vector<std::string>;

std::vector<TokenReport> tokens_of(const Strings& pieces) {
  std::vector<TokenReport> out;
  for (const std::string& p : pieces) {
    out.push_back({static_cast<int32_t>(out.size()), replace_invalid_utf8(p), valid_utf8(p) ? "" : p});
  }
  return out;
}

Strings joined(const Strings& pieces, PieceBy by) {
  const std::vector<TokenReport> tokens = tokens_of(pieces);
  Strings out;
  int64_t next = 0;
  for (const Piece& p : pieces_of(tokens, 0, std::ssize(tokens), by)) {
    EXPECT_EQ(p.first, next);
    EXPECT_LT(p.first, p.last);
    next = p.last;
    out.push_back(p.bytes);
  }
  EXPECT_EQ(next, std::ssize(tokens));
  return out;
}

TEST(CaseA9, CharactersAreNeverCut) {
  EXPECT_EQ(joined({"caf", "\xc3", "\xa9", " noir"}, PieceBy::kToken), (Strings{"caf", "\u00e9", " noir"}));
  EXPECT_EQ(joined({"\xe6", "\x97", "\xa5", "\xe6\x9c", "\xac", "!"}, PieceBy::kToken),
            (Strings{"\u65e5", "\u672c", "!"}));
  // One picture of several code points, each cut in two; an accent in a token of its own; a flag.
  EXPECT_EQ(
      joined({"\xf0\x9f\x91", "\xa9", "\xe2\x80\x8d", "\xf0\x9f", "\x94\xac", " e", "\xcc\x81", "x"}, PieceBy::kToken),
      (Strings{"\U0001f469\u200d\U0001f52c", " e\u0301", "x"}));
  EXPECT_EQ(joined({"\U0001f1ea", "\U0001f1fa", "\U0001f1eb", "\U0001f1f7"}, PieceBy::kToken),
            (Strings{"\U0001f1ea\U0001f1fa", "\U0001f1eb\U0001f1f7"}));
}

TEST(CaseA9, BytesThatMakeNoCharacterStandAlone) {
  EXPECT_EQ(joined({"a", "\xc3", "b", "\xa9", "\xa9"}, PieceBy::kToken), (Strings{"a", "\xc3", "b", "\xa9", "\xa9"}));
  EXPECT_EQ(joined({"a", "\xe6", "\x97"}, PieceBy::kWord), (Strings{"a", "\xe6", "\x97"}));
  EXPECT_EQ(joined({"\U0001f1ea", "\U0001f1fa", "\xff", "\U0001f1eb", "\U0001f1f7"}, PieceBy::kToken),
            (Strings{"\U0001f1ea\U0001f1fa", "\xff", "\U0001f1eb\U0001f1f7"}));  // two flags
}

TEST(Pieces, AreReadableAsWordsUnlessLettersRunOn) {
  const auto readable = [](const Strings& tokens) { return readable_pieces(tokens_of(tokens)); };
  EXPECT_EQ(readable({"The", " un", "likely", " cat"}), PieceBy::kWord);
  EXPECT_EQ(readable({"t", "h", "e", " ", "c", "a", "t"}), PieceBy::kWord);
  EXPECT_EQ(readable({"b", "c", "d", "e"}), PieceBy::kToken);  // letters of no language
  EXPECT_EQ(readable({"ACGTACGT", "TTGACCAA"}), PieceBy::kToken);
  EXPECT_EQ(readable({"un", "likely"}), PieceBy::kWord);
  EXPECT_EQ(readable({"", "", ""}), PieceBy::kToken);  // of a model without a tokenizer
}

TEST(Pieces, LinesMayEndAtSpacesAndWhereScriptsSetNone) {
  EXPECT_TRUE(may_break("the", " cat"));
  EXPECT_TRUE(may_break("the ", "cat"));
  EXPECT_FALSE(may_break("light", "house"));
  EXPECT_FALSE(may_break("cat", ","));
  EXPECT_FALSE(may_break("caf", "\u00e9"));
  EXPECT_TRUE(may_break("\u4e2d", "\u6587"));
  EXPECT_TRUE(may_break("", "cat"));
  EXPECT_TRUE(may_break("\xff", "cat"));
}

TEST(CaseA9, TokensWithoutTextAreShownById) {
  EXPECT_EQ(joined({"", "", "a"}, PieceBy::kSentence), (Strings{"<0>", "<1>", "a"}));
}

TEST(CaseA9, WordsAreJoined) {
  EXPECT_EQ(joined({"Th", "e", " un", "believ", "able", " cat", "'", "s", " hat", ".", " Do", "n", "'t", "!"},
                   PieceBy::kWord),
            (Strings{"The", " unbelievable", " cat's", " hat", ".", " Don't", "!"}));
  EXPECT_EQ(joined({"a", " ", "b", "c", " ", " ", "d"}, PieceBy::kWord), (Strings{"a", " bc", "  d"}));
  EXPECT_EQ(joined({"the ", "cat ", "'sat'"}, PieceBy::kWord), (Strings{"the ", "cat ", "'sat'"}));
  EXPECT_EQ(joined({"the ", "'", "sat", "'"}, PieceBy::kWord), (Strings{"the ", "'", "sat", "'"}));
  EXPECT_EQ(joined({"na\xc3", "\xaf", "ve"}, PieceBy::kWord), (Strings{"na\u00efve"}));
  EXPECT_EQ(joined({"\u6771\u4eac", "\u306b", "\u884c\xe3\x81", "\x8f"}, PieceBy::kWord),
            (Strings{"\u6771\u4eac", "\u306b", "\u884c\u304f"}));
}

TEST(CaseA9, SentencesAreJoined) {
  EXPECT_EQ(joined({"The", " cat", " sat", ".", " It", " slept", "!", "\"", " Mr", ".", " B", ".", " Fox", " ran", "."},
                   PieceBy::kSentence),
            (Strings{"The cat sat.", " It slept!\"", " Mr. B. Fox ran."}));
  EXPECT_EQ(joined({"At", " 3", " p.m", ".", " he", " left", ".", " ", "Then", "\n", "\n", "New"}, PieceBy::kSentence),
            (Strings{"At 3 p.m. he left.", " Then\n\n", "New"}));
  EXPECT_EQ(joined({"3", ".", "14", " is", " pi", ". ", "So"}, PieceBy::kSentence), (Strings{"3.14 is pi. ", "So"}));
  EXPECT_EQ(joined({"\u732b", "\u3002", "\u72ac", "\u3002"}, PieceBy::kSentence),
            (Strings{"\u732b\u3002", "\u72ac\u3002"}));
  EXPECT_EQ(joined({"\u732b\u3002", "\u300d", "\u72ac"}, PieceBy::kSentence),
            (Strings{"\u732b\u3002\u300d", "\u72ac"}));
  EXPECT_EQ(joined({"So", " do", " I", ".", " He", " too", "."}, PieceBy::kSentence),
            (Strings{"So do I.", " He too."}));
}

TEST(CaseA9, EmptyLinesAreNoSentences) {
  EXPECT_EQ(joined({"\n", " ", "\n", "One", ".", "\n", "  ", "\n", "Two", "\n", " "}, PieceBy::kSentence),
            (Strings{"\n \nOne.", "\n  \nTwo\n "}));
  EXPECT_EQ(joined({"\n", " ", "\n"}, PieceBy::kSentence), (Strings{"\n \n"}));
}

TEST(CaseA9, ParagraphsEndWithABlankLineOrElseWithALine) {
  EXPECT_EQ(joined({"One", ".", "\n", "Two", ".", "\n", "\n", "\n", "Three"}, PieceBy::kParagraph),
            (Strings{"One.\nTwo.\n\n\n", "Three"}));
  EXPECT_EQ(joined({"One", ".\n", " ", "\n", "  Two", "\n", "Three"}, PieceBy::kParagraph),
            (Strings{"One.\n \n", "  Two\nThree"}));
  EXPECT_EQ(joined({"One", ".", "\n", "Two", "\n"}, PieceBy::kParagraph), (Strings{"One.\n", "Two\n"}));
  EXPECT_EQ(joined({"\n", "\n", "One"}, PieceBy::kParagraph), (Strings{"\n\nOne"}));
  EXPECT_EQ(joined({"One", ".\n", "\n", " ", "\r\n", "Two"}, PieceBy::kParagraph), (Strings{"One.\n\n \r\n", "Two"}));
  EXPECT_EQ(joined({"One", " two"}, PieceBy::kParagraph), (Strings{"One two"}));
}

TEST(CaseA9, ScoresAndLayersAreSummed) {
  const std::vector<TokenReport> tokens = tokens_of({"a", "\xc3", "\xa9", "b"});
  const std::vector<double> scores = {1, 2, 4, 8};
  const std::vector<float> layers = {1, 2, 4, 8, -1, -2, -4, -8};
  const std::vector<Piece> pieces = pieces_of(tokens, 1, 4, PieceBy::kToken);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(piece_sum<double>(pieces[0], scores), 6);
  EXPECT_EQ(piece_layers(pieces[0], layers, 4), (std::vector<double>{6, -6}));
  EXPECT_EQ(piece_layers(pieces[1], layers, 4), (std::vector<double>{8, -8}));
}

TEST(CaseA9, NamesAreChecked) {
  EXPECT_EQ(parse_piece_by("sentence"), PieceBy::kSentence);
  EXPECT_EQ(parse_piece_by("paragraph"), PieceBy::kParagraph);
  EXPECT_THROW(parse_piece_by("chapter"), Error);
}

}  // namespace
}  // namespace hindscan
