#include "io/text_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "io/file_kind.h"

namespace hindscan {
namespace {

using testing::HasSubstr;

std::string text_of(const std::string& bytes, TextUse use = TextUse::kProse) {
  return text_of_bytes(bytes, "f.txt", use).text;
}

std::string refusal(const std::string& bytes) {
  try {
    text_of(bytes);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kData);
    return e.message();
  }
  return "accepted";
}

std::string wide(const std::u16string& text, bool big) {
  std::string out;
  for (const char16_t c : text) {
    const char high = static_cast<char>(c >> 8), low = static_cast<char>(c & 0xff);
    out += big ? high : low;
    out += big ? low : high;
  }
  return out;
}

TEST(CaseA10, MarkIsSkippedAndLineEndsAreOne) {
  EXPECT_EQ(text_of("\xef\xbb\xbfHello\n"), "Hello\n");
  EXPECT_EQ(text_of("\xef\xbb\xbf"), "");
  const TextFile file = text_of_bytes("a\r\nb\nc\rd\r\n\r", "f.txt");
  EXPECT_EQ(file.text, "a\nb\nc\rd\n\r");
  EXPECT_EQ(file.crlf, 2);
  EXPECT_EQ(text_of("a\r\nb\r\n", TextUse::kVocabulary), "a\nb\n");
  EXPECT_EQ(text_of("a\n\r\nb\n", TextUse::kVocabulary), "a\n\r\nb\n");  // one of the characters is CR
  EXPECT_EQ(text_of("caf\xe9 \xff\xfe"), "caf\xe9 \xff\xfe");            // other encodings of single bytes pass
}

TEST(CaseA10, Utf16IsNamedOrConverted) {
  const std::u16string text = u"\u00e9 Hi, the cat \U0001f600\r\n";
  for (const bool big : {false, true}) {
    const std::string marked = wide(u"\ufeff" + text, big), bare = wide(u"The cat sat\n", big);
    EXPECT_THAT(refusal(marked), HasSubstr(big ? "UTF-16 (big endian)" : "UTF-16 (little endian)"));
    EXPECT_THAT(refusal(bare), HasSubstr(big ? "iconv -f utf-16be" : "iconv -f utf-16le"));
    EXPECT_EQ(text_of(marked, TextUse::kVocabulary), "\u00e9 Hi, the cat \U0001f600\n");
    EXPECT_EQ(text_of(bare, TextUse::kVocabulary), "The cat sat\n");
    EXPECT_THROW(text_of(wide(u"\ufeff" + text.substr(0, 15), big), TextUse::kVocabulary),
                 Error);  // ends in half a pair
    EXPECT_THROW(text_of(marked + "x", TextUse::kVocabulary), Error);
    // Half a pair before a character that is none's other half.
    for (const char16_t after : {u'a', u'\ue000'})
      EXPECT_THROW(text_of(wide({u'\ufeff', 0xd83d, after}, big), TextUse::kVocabulary), Error);
  }
  EXPECT_THAT(refusal(std::string("\xff\xfe\0\0a\0\0\0", 8)), HasSubstr("UTF-32"));
  EXPECT_EQ(text_of(std::string("a\0b", 3)), std::string("a\0b", 3));  // a zero here and there is no UTF-16
  EXPECT_EQ(text_of(std::string("abc\0defghi", 10)), std::string("abc\0defghi", 10));
}

TEST(CaseD9, CompressedFilesAndDocumentsAreNamed) {
  EXPECT_THAT(refusal(std::string("\xfd\x37zXZ\0\0\4", 8)), HasSubstr("an xz file; decompress it first (unxz -k)"));
  EXPECT_THAT(refusal("\x1f\x8b\x08"), HasSubstr("gzip"));
  EXPECT_THAT(refusal("\x28\xb5\x2f\xfd\x04"), HasSubstr("Zstandard"));
  EXPECT_THAT(refusal("BZh91AY&SY"), HasSubstr("bzip2"));
  EXPECT_THAT(refusal("PK\3\4\x14"), HasSubstr("zip archive"));
  EXPECT_THAT(refusal("%PDF-1.7"), HasSubstr("PDF"));
  EXPECT_THAT(refusal(std::string(257, 'a') + "ustar"), HasSubstr("tar archive"));
  EXPECT_EQ(text_of("PKs and BZs"), "PKs and BZs");
}

TEST(CaseB, FilesThatAreNoModelAreTold) {
  EXPECT_STREQ(known_file("GGUF\3")->name, "a GGUF model of llama.cpp");
  EXPECT_FALSE(known_file("").has_value());
  EXPECT_TRUE(looks_like_text("# A model\n\u00e9"));
  EXPECT_FALSE(looks_like_text(std::string("{\0\0\0\0\0\0\0{}", 10)));
  EXPECT_FALSE(looks_like_text("a\xff"));
  EXPECT_FALSE(looks_like_text(""));
  EXPECT_TRUE(looks_like_text(std::string(kFileHead - 1, 'a') + "\xc3"));  // a character cut by the end of the head
}

}  // namespace
}  // namespace hindscan
