// A model file of rwkv.cpp, its conversion to BlinkDL's names and the configuration read off the result.
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz_util.h"
#include "io/rwkv_bin.h"
#include "model/rwkv_file.h"

using namespace hindscan;

namespace {

FileBytes in_memory(std::string_view bytes) {
  const int fd = memfd_create("fuzz", 0);
  require(fd >= 0 && write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  lseek(fd, 0, SEEK_SET);
  FileBytes out = FileBytes::load(path);
  close(fd);
  return out;
}

void check_file(std::string_view text) {
  const std::span<const uint8_t> file = as_bytes(text);
  for (const RwkvBinTensor& t : parse_rwkv_bin(file, "fuzz").tensors) {
    require(t.begin <= t.end && t.end <= file.size());
    require(dequantise(file, t).size() == t.elements());
  }
  TensorStore store("fuzz");
  read_rwkv_bin(in_memory(text), store);
  for (const std::string& name : store.names()) {
    const TensorStore::Entry e = store.find(name);
    require(e.info->name == name && e.bytes.size() == e.info->elements() * tensor_dtype_size(e.info->dtype));
    require(floats_of(e).size() == e.info->elements());
  }
  if (const auto config = rwkv_config(store, true)) require(!config->text("model_type", "").empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  allow_refusal([&] { check_file(as_text(data, size)); });
  // Behind a sound header.
  const uint32_t header[6] = {0x67676d66, 101, 256, 8, 1, 0};
  std::string file(reinterpret_cast<const char*>(header), sizeof header);
  file += as_text(data, size);
  allow_refusal([&] { check_file(file); });
  return 0;
}
