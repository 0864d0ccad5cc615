// A torch.save archive; and the bytes alone as the pickle of a well-formed one, which gets past the zip directory every
// time.
#include <array>

#include "archive.h"
#include "fuzz_util.h"
#include "io/torch_file.h"
#include "io/zip_reader.h"

using namespace hindscan;

namespace {

std::string archive(std::string_view pickle) {
  const std::string numbers(64, '\1');
  return archive(std::array{Entry{"a/data.pkl", pickle}, Entry{"a/data/0", numbers}});
}

// What was accepted lies inside the file, and gathering it reads nothing else.
void check_file(std::span<const uint8_t> file, bool verify) {
  uint64_t gathered = 0;
  for (const TorchTensor& t : parse_torch(file, "fuzz", verify)) {
    require(t.info.begin <= t.info.end && t.info.end <= file.size() && !t.info.name.empty());
    const uint64_t bytes = t.info.elements() * tensor_dtype_size(t.info.dtype);
    require(!t.contiguous || bytes == t.info.end - t.info.begin);
    if (!t.contiguous) gathered += gather(file, t).size();
  }
  require(gathered <= file.size());
}

}  // namespace

// Changes one entry of a sound archive and writes directory and checksums anew; any other bytes at random.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  std::vector<ZipEntry> found;
  try {
    found = parse_zip({data, size}, "mutator");
  } catch (const Error&) {
  }
  if (found.empty() || seed % 4 == 0) return LLVMFuzzerMutate(data, size, most);
  std::vector<std::string> parts;
  for (const ZipEntry& e : found) parts.emplace_back(as_text(data + e.begin, e.end - e.begin));
  std::string& part = parts[seed / 4 % parts.size()];
  mutate(part, most - std::min(most, size) + part.size());
  std::vector<Entry> entries;
  for (size_t i = 0; i < found.size(); ++i) entries.push_back({found[i].name, parts[i]});
  const std::string file = archive(entries);
  return file.size() <= most ? replace_input(data, file) : LLVMFuzzerMutate(data, size, most);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  allow_refusal([&] { check_file({data, size}, true); });
  allow_refusal([&] { check_file({data, size}, false); });
  const std::string file = archive(as_text(data, size));
  allow_refusal([&] { check_file(as_bytes(file), true); });
  const std::string framed = archive("\x80\x02}(" + std::string(as_text(data, size)) + "u.");
  allow_refusal([&] { check_file(as_bytes(framed), false); });
  return 0;
}
