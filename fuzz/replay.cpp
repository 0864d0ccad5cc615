// Runs a fuzz target without libFuzzer: every file of the folder named, whole, cut short and with one bit turned.
#include <cstdio>
#include <vector>

#include "base/fs.h"
#include "base/mmap.h"

using namespace hindscan;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// Custom mutators link against it; a replay never calls them.
extern "C" size_t LLVMFuzzerMutate(uint8_t*, size_t size, size_t) { return size; }

namespace {

constexpr size_t kVariants = 32;

void replay(const std::string& bytes) {
  std::vector<uint8_t> input(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(input.data(), input.size());
  for (size_t i = 0; i < kVariants && !input.empty(); ++i) {
    const size_t at = i * input.size() / kVariants;
    const std::vector<uint8_t> cut(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(at));
    LLVMFuzzerTestOneInput(cut.data(), cut.size());
    input[at] ^= static_cast<uint8_t>(1u << (i % 8));
    LLVMFuzzerTestOneInput(input.data(), input.size());
    input[at] ^= static_cast<uint8_t>(1u << (i % 8));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: NAME_fuzz FOLDER\n", stderr), 2;
  size_t files = 0;
  for (const std::string& name : real_fs().list(argv[1])) {
    replay(read_file(join_path(argv[1], name)));
    ++files;
  }
  std::printf("%zu files\n", files);
  return files == 0 ? 1 : 0;
}
