// The few file-system calls that writing needs, behind an interface so that tests can record and fail each of them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hindscan {

enum class FileUse { kInput, kOutput };
enum class FileKind { kNone, kRegular, kDirectory, kOther };
enum class OpenMode { kCreateNew, kCreatePrivate, kTruncate, kAppend };  // private: nobody else may read it

// Raises the Error for a failed system call: not found 66, permission 77, disk full and other input/output 74, ...
[[noreturn]] void fail_errno(int error_number, std::string_view op, std::string_view path, FileUse use);

// Every call throws Error. Handles are small integers of the implementation.
class Fs {
 public:
  virtual ~Fs() = default;
  virtual int open(const std::string& path, OpenMode mode) = 0;
  virtual size_t write(int handle, std::span<const uint8_t> bytes) = 0;  // may be short, never 0 for non-empty bytes
  virtual void fsync(int handle) = 0;
  virtual void close(int handle) = 0;
  virtual void rename(const std::string& from, const std::string& to) = 0;
  virtual void unlink(const std::string& path) = 0;
  virtual void mkdir(const std::string& path) = 0;  // an existing directory is an Error(kCannotCreate)
  virtual void rmdir(const std::string& path) = 0;  // must be empty
  virtual void fsync_dir(const std::string& path) = 0;
  virtual std::vector<std::string> list(const std::string& path) = 0;  // bare names, sorted, without . and ..
  virtual std::string read(const std::string& path, uint64_t limit) = 0;
  virtual FileKind kind(const std::string& path) = 0;
  virtual uint64_t free_bytes(const std::string& path) = 0;  // available to us on the file system of an existing path

  // A file system without links and modes needs none of these.
  virtual bool is_link(const std::string&) { return false; }
  virtual std::string follow(const std::string& path) { return path; }  // the file a link leads to
  virtual void copy_mode(int, const std::string&) {}                    // mode, and where allowed owner, of a file
};

Fs& real_fs();

using ByteParts = std::vector<std::span<const uint8_t>>;

std::span<const uint8_t> as_bytes(std::string_view text);
std::string parent_dir(const std::string& path);  // "." for a bare name
std::string join_path(std::string_view dir, std::string_view name);
void make_dirs(Fs& fs, const std::string& path);  // like mkdir -p

// A name beside `path` that nobody can guess; what holds another such name is not ours.
std::string temporary_name(const std::string& path);

void write_all(Fs& fs, int handle, std::span<const uint8_t> bytes);
// create + write + fsync + close; the caller makes it visible and durable (rename, fsync_dir).
void write_file_synced(Fs& fs, const std::string& path, const ByteParts& parts, OpenMode mode = OpenMode::kCreateNew);
// tmp + fsync + rename + fsync(dir): the old file or the whole new one, never a part. An existing file keeps its mode,
// a link its place; devices and pipes are written in place.
void write_file_atomic(Fs& fs, const std::string& path, const ByteParts& parts);
void write_file_atomic(Fs& fs, const std::string& path, std::string_view text);

}  // namespace hindscan
