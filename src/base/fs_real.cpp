// Fs on POSIX calls.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "base/fs.h"
#include "base/mmap.h"
#include "base/signals.h"

namespace hindscan {
namespace {

// Whether to call again. A file is written to its end all the same; a pipe that nobody reads would wait for ever.
bool interrupted(int fd = -1) {
  if (errno != EINTR) return false;
  struct stat info = {};
  const bool file = fd >= 0 && ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  if (!file) throw_if_stopped();
  return true;
}

// The path of an open file, as the system knows it.
std::string name_of(int handle) {
  char path[4096];
  const ssize_t n = ::readlink(fmt::format("/proc/self/fd/{}", handle).c_str(), path, sizeof path);
  return n > 0 ? std::string(path, static_cast<size_t>(n)) : "output";
}

class RealFs final : public Fs {
 public:
  int open(const std::string& path, OpenMode mode) override {
    const int extra = mode == OpenMode::kTruncate ? O_CREAT | O_TRUNC
                      : mode == OpenMode::kAppend ? O_CREAT | O_APPEND
                                                  : O_CREAT | O_EXCL;
    const mode_t access = mode == OpenMode::kCreatePrivate ? 0600 : 0644;
    int fd = 0;
    do {
      fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | extra, access);
    } while (fd < 0 && interrupted());
    if (fd < 0) fail_errno(errno, "create", path, FileUse::kOutput);
    return fd;
  }

  size_t write(int handle, std::span<const uint8_t> bytes) override {
    if (bytes.empty()) return 0;
    ssize_t n = 0;
    do {
      n = ::write(handle, bytes.data(), std::min(bytes.size(), size_t{1} << 30));
    } while (n < 0 && interrupted(handle));
    if (n < 0) fail_errno(errno, "write", name_of(handle), FileUse::kOutput);
    check(n > 0, ErrorCode::kIo, "[{}] expected to write on, found no progress; is the disk full?", name_of(handle));
    return static_cast<size_t>(n);
  }

  void fsync(int handle) override {
    int rc = 0;
    do {
      rc = ::fsync(handle);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0) fail_errno(errno, "sync", name_of(handle), FileUse::kOutput);
  }

  void close(int handle) override {
    // Linux releases the descriptor even on EINTR: never retry.
    if (::close(handle) != 0 && errno != EINTR) fail_errno(errno, "close", name_of(handle), FileUse::kOutput);
  }

  void rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) fail_errno(errno, "rename a new file to", to, FileUse::kOutput);
  }

  void unlink(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) fail_errno(errno, "delete", path, FileUse::kOutput);
  }

  void mkdir(const std::string& path) override {
    if (::mkdir(path.c_str(), 0755) != 0) fail_errno(errno, "create directory", path, FileUse::kOutput);
  }

  void rmdir(const std::string& path) override {
    if (::rmdir(path.c_str()) != 0) fail_errno(errno, "delete directory", path, FileUse::kOutput);
  }

  void fsync_dir(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) fail_errno(errno, "open directory", path, FileUse::kOutput);
    int rc = 0;
    do {
      rc = ::fsync(fd);
    } while (rc != 0 && errno == EINTR);
    const int saved = errno;
    ::close(fd);
    // Some file systems cannot sync a directory and say EINVAL.
    if (rc != 0 && saved != EINVAL) fail_errno(saved, "sync directory", path, FileUse::kOutput);
  }

  std::vector<std::string> list(const std::string& path) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
    if (dir == nullptr) fail_errno(errno, "list", path, FileUse::kInput);
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(dir.get());
      if (entry == nullptr) break;
      const std::string name = static_cast<const char*>(entry->d_name);
      if (name != "." && name != "..") names.push_back(name);
    }
    if (errno != 0) fail_errno(errno, "list", path, FileUse::kInput);
    std::sort(names.begin(), names.end());
    return names;
  }

  std::string read(const std::string& path, uint64_t limit) override { return read_file(path, limit); }

  FileKind kind(const std::string& path) override {
    struct stat info = {};
    if (::stat(path.c_str(), &info) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) return FileKind::kNone;
      fail_errno(errno, "stat", path, FileUse::kOutput);
    }
    if (S_ISDIR(info.st_mode)) return FileKind::kDirectory;
    // /dev/stdout redirected to a file is regular, yet a rename would replace the link itself.
    const bool special = path.starts_with("/dev/") || path.starts_with("/proc/");
    return S_ISREG(info.st_mode) && !special ? FileKind::kRegular : FileKind::kOther;
  }

  bool is_link(const std::string& path) override {
    struct stat info = {};
    return ::lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
  }

  std::string follow(const std::string& path) override {
    if (!is_link(path)) return path;
    const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
    check(real != nullptr || errno != ENOENT, ErrorCode::kCannotCreate,
          "[{}] expected a file or a link to one, found a link to nothing; remove it", path);
    if (real == nullptr) fail_errno(errno, "follow the link", path, FileUse::kOutput);
    return real.get();
  }

  void copy_mode(int handle, const std::string& from) override {
    struct stat old = {}, now = {};
    if (::stat(from.c_str(), &old) != 0 || ::fstat(handle, &now) != 0) {
      fail_errno(errno, "stat", from, FileUse::kOutput);
    }
    // Only root may give a file away; the rest is left as the kernel made it.
    const bool other = old.st_uid != now.st_uid || old.st_gid != now.st_gid;
    if (other && ::fchown(handle, old.st_uid, old.st_gid) != 0 && errno != EPERM) {
      fail_errno(errno, "set the owner of a new", from, FileUse::kOutput);
    }
    const mode_t access = old.st_mode & 0777;
    if (access != (now.st_mode & 0777) && ::fchmod(handle, access) != 0) {
      fail_errno(errno, "set the mode of a new", from, FileUse::kOutput);
    }
  }

  uint64_t free_bytes(const std::string& path) override {
    struct statvfs info = {};
    if (::statvfs(path.c_str(), &info) != 0) fail_errno(errno, "read free space of", path, FileUse::kOutput);
    return uint64_t{info.f_bavail} * uint64_t{info.f_frsize};
  }
};

}  // namespace

Fs& real_fs() {
  static RealFs fs;
  return fs;
}

}  // namespace hindscan
