// The bytes of an input file, copied into memory (default) or mapped read-only.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace hindscan {

// kRead survives a file that is truncated or replaced meanwhile; a kMap reader would get SIGBUS.
enum class LoadMode { kRead, kMap };

class FileBytes {
 public:
  // Regular files only (kMap) or anything readable (kRead). More than `limit` bytes is an Error(kResource).
  static FileBytes load(const std::string& path, LoadMode mode = LoadMode::kRead, uint64_t limit = UINT64_MAX);

  FileBytes() = default;
  FileBytes(FileBytes&&) noexcept;
  FileBytes& operator=(FileBytes&&) noexcept;
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;
  ~FileBytes();

  std::span<const uint8_t> bytes() const { return {data_, size_}; }
  bool mapped() const { return mapped_; }

 private:
  uint8_t* data_ = nullptr;  // 64-byte aligned in either mode
  size_t size_ = 0;
  bool mapped_ = false;
};

// A whole text file (prompt, config): Error(kResource) above `limit`.
std::string read_file(const std::string& path, uint64_t limit = uint64_t{1} << 30);

}  // namespace hindscan
