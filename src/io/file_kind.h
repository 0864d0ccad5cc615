// Files that are not what was asked for, told by their first bytes, so that messages can name them.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace hindscan {

struct KnownFile {
  const char* name;    // "a GGUF model of llama.cpp"
  const char* advice;  // what to do instead
};

inline constexpr size_t kFileHead = 512;  // bytes that are enough to tell

// Archives, compressed files, documents, pictures and models of other programs; nothing for text and for what has no
// signature.
std::optional<KnownFile> known_file(std::string_view head);

// Whether the first bytes of a file read as UTF-8 text without control characters.
bool looks_like_text(std::string_view head);

}  // namespace hindscan
