// A .npy file; the bytes alone as the dictionary of a well-formed header before 48 bytes of data; and both as the text
// "format" of a sound .npz.
#include <array>

#include "archive.h"
#include "fuzz_util.h"
#include "io/npy.h"
#include "io/npy_header.h"

using namespace hindscan;

namespace {

// What was accepted views the file to its end and survives being written and read again.
void check_file(std::span<const uint8_t> file) {
  const NpyArray a = parse_npy(file, "fuzz");
  require(a.bytes.data() + a.bytes.size() == file.data() + file.size());
  std::string copy = npy_header(a);
  copy.append(a.bytes.begin(), a.bytes.end());
  const NpyArray again = parse_npy(as_bytes(copy), "copy");
  require(again.type == a.type && again.shape == a.shape && again.bytes.size() == a.bytes.size());
}

void check_text(std::string_view file) {
  const std::string npz = archive(std::array{Entry{"format.npy", file}});
  require(npz_text(as_bytes(npz), "format", "fuzz").size() <= 200);
  require(npz_text(as_bytes(npz), "weights", "fuzz").empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  allow_refusal([&] { check_file({data, size}); });
  allow_refusal([&] { check_text(as_text(data, size)); });
  std::string file("\x93NUMPY\x01", 7);
  file += {'\0', static_cast<char>(size & 255u), static_cast<char>(size >> 8)};
  file += as_text(data, size);
  file += std::string(48, '\1');
  allow_refusal([&] { check_file(as_bytes(file)); });
  allow_refusal([&] { check_text(file); });
  return 0;
}
