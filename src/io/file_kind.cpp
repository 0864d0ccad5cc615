#include "io/file_kind.h"

#include "base/utf8.h"

namespace hindscan {
namespace {

using namespace std::string_view_literals;

struct Signature {
  size_t at;
  std::string_view bytes;
  KnownFile file;
};

constexpr const char* kUnpack = "unpack it and give the text in it";
constexpr Signature kSignatures[] = {
    {0, "\x1f\x8b"sv, {"a gzip file", "decompress it first (gunzip -k)"}},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     {"an xz file", "decompress it first (unxz -k)"}},
    {0, "\x28\xb5\x2f\xfd"sv, {"a Zstandard file", "decompress it first (unzstd)"}},
    {4, "1AY&SY"sv, {"a bzip2 file", "decompress it first (bunzip2 -k)"}},
    {0, "\x04\x22\x4d\x18"sv, {"an LZ4 file", "decompress it first (unlz4)"}},
    {0, "PK\3\4"sv, {"a zip archive (.docx, .odt and .epub are some)", kUnpack}},
    {0, "PK\5\6"sv, {"an empty zip archive", kUnpack}},
    {0, "7z\xbc\xaf\x27\x1c"sv, {"a 7z archive", kUnpack}},
    {257, "ustar"sv, {"a tar archive", kUnpack}},
    {0, "%PDF-"sv, {"a PDF", "convert it to text first (pdftotext)"}},
    {0, "{\\rtf"sv, {"an RTF document", "save it as plain text first"}},
    {0, "\xd0\xcf\x11\xe0"sv, {"an old Office document", "save it as plain text first"}},
    {0, "\x89PNG"sv, {"a picture", "give a text"}},
    {0, "\xff\xd8\xff"sv, {"a picture", "give a text"}},
    {0, "\x93NUMPY"sv, {"a NumPy array", "arrays are features or labels"}},
    {0, "\x89HDF"sv, {"an HDF5 file", "take the model's safetensors instead"}},
    {0, "SQLite format 3"sv, {"an SQLite database", "export the texts first"}},
    {0, "PAR1"sv, {"a Parquet file", "export the texts first"}},
    {0, "GGUF"sv, {"a GGUF model of llama.cpp", "take the original model's safetensors instead"}},
};

}  // namespace

std::optional<KnownFile> known_file(std::string_view head) {
  for (const Signature& s : kSignatures) {
    if (head.size() >= s.at && head.substr(s.at).starts_with(s.bytes)) return s.file;
  }
  return std::nullopt;
}

bool looks_like_text(std::string_view head) {
  const size_t end = head.size() - (head.size() >= kFileHead ? incomplete_utf8_suffix(head) : 0);
  for (size_t at = 0; at < end;) {
    const Utf8Char c = decode_utf8(head, at);
    const bool control = c.code < 0x20 && c.code != '\n' && c.code != '\r' && c.code != '\t' && c.code != '\f';
    if (!c.valid || control) return false;
    at += c.size;
  }
  return end > 0;
}

}  // namespace hindscan
