// Text as people have it in files: byte order marks, UTF-16, line ends of other systems, and files that are no text.
#pragma once
#include <cstdint>
#include <string>

namespace hindscan {

struct TextFile {
  std::string text;  // UTF-8 as far as the file is; no mark, lines end with LF
  int64_t crlf = 0;  // line ends that were CR LF
};

// A vocabulary is read as it is meant: UTF-16 converted, and CR kept where not every line ends with it.
enum class TextUse : uint8_t { kProse, kVocabulary };

// Error(kData) that names what the bytes are when they are compressed, a document, or UTF-16 where that is refused.
TextFile text_of_bytes(std::string bytes, const std::string& label, TextUse use = TextUse::kProse);

// A whole text file; converted line ends are said in the log. Error(kResource) above `limit`.
std::string read_text_file(const std::string& path, uint64_t limit, TextUse use = TextUse::kProse);

}  // namespace hindscan
