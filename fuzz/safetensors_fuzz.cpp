// A safetensors file, and the same bytes as a shard index.
#include <set>

#include "fuzz_util.h"
#include "io/safetensors.h"

using namespace hindscan;

namespace {

// What was accepted lies inside the file, tiles it, and survives being written and read again.
void check_layout(std::span<const uint8_t> file, const SafetensorsLayout& layout) {
  std::set<std::string> names;
  std::vector<TensorToWrite> tensors;
  uint64_t bytes = 0;
  for (const TensorInfo& t : layout.tensors) {
    require(t.begin <= t.end && t.end <= file.size());
    require(t.end - t.begin == t.elements() * tensor_dtype_size(t.dtype));
    require(names.insert(t.name).second);
    bytes += t.end - t.begin;
    tensors.push_back({t.name, t.dtype, t.shape, file.subspan(t.begin, t.end - t.begin)});
  }
  require(bytes <= file.size() - 8);
  std::string copy = safetensors_header(tensors, layout.metadata);
  for (const TensorToWrite& t : tensors) copy.append(t.bytes.begin(), t.bytes.end());
  const SafetensorsLayout again = parse_safetensors(as_bytes(copy), "copy");
  require(again.tensors.size() == layout.tensors.size() && again.metadata == layout.metadata);
}

}  // namespace

// Changes the header or the data; the length in front agrees afterwards, most of the time.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  if (size < 8 || most < 16 || seed % 8 == 0) return LLVMFuzzerMutate(data, size, most);
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | data[i];
  const std::string_view all = as_text(data + 8, size - 8);
  std::string header(all.substr(0, length)), rest(all.substr(header.size()));
  const size_t room = most - 8;
  seed % 4 == 1 ? mutate(rest, room - header.size()) : mutate(header, room - rest.size());
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i) & 255u);
  return replace_input(data, file + header + rest);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  allow_refusal([&] {
    const SafetensorsLayout layout = parse_safetensors({data, size}, "fuzz");
    check_layout({data, size}, layout);
  });
  // The header alone, with a length that fits, gets past the prefix far more often.
  allow_refusal([&] {
    std::string file;
    for (int i = 0; i < 8; ++i) file += static_cast<char>(size >> (8 * i) & 255u);
    file += as_text(data, size);
    check_layout(as_bytes(file), parse_safetensors(as_bytes(file), "fuzz"));
  });
  if (size > 0 && data[0] == '{') {
    allow_refusal([&] {
      for (const auto& [tensor, name] : parse_safetensors_index(as_text(data, size), "fuzz")) {
        require(!name.empty() && name.find('/') == std::string::npos && name.find('\0') == std::string::npos);
      }
    });
  }
  return 0;
}
