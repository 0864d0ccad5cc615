#include "base/mmap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <new>
#include <utility>

#include "base/counted.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/signals.h"

namespace hindscan {
namespace {

constexpr std::align_val_t kAlign{64};

class InputFd {
 public:
  // Not waiting for the writer of a FIFO: wait_readable() does, and stops when asked.
  explicit InputFd(const std::string& path) : fd_(open_input(path)) {
    if (fd_ < 0) fail_errno(errno, "open", path, FileUse::kInput);
  }
  ~InputFd() { ::close(fd_); }
  InputFd(const InputFd&) = delete;
  InputFd& operator=(const InputFd&) = delete;
  int get() const { return fd_; }

 private:
  // Opening a pipe by the name of the standard input would begin a new conversation with it.
  static int open_input(const std::string& path) {
    struct stat info = {};
    const bool pipe = path == "/dev/stdin" && ::fstat(STDIN_FILENO, &info) == 0 && !S_ISREG(info.st_mode);
    return pipe ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  }
  int fd_;
};

struct stat stat_input(const InputFd& fd, const std::string& path) {
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0) fail_errno(errno, "stat", path, FileUse::kInput);
  check(!S_ISDIR(info.st_mode), ErrorCode::kData, "[{}] expected a file, found a directory", path);
  const bool ends = !S_ISCHR(info.st_mode) || info.st_rdev == makedev(1, 3) || ::isatty(fd.get()) != 0;
  check(ends, ErrorCode::kData, "[{}] expected a file or a pipe, found a device that never ends", path);
  return info;
}

std::string name_of(const std::string& path) { return path == "/dev/stdin" ? "standard input" : path; }

void check_limit(const std::string& path, uint64_t size, uint64_t limit) {
  check(size <= limit, ErrorCode::kResource, "[{}] expected at most {}, found {}", name_of(path), allowed_size(limit),
        needed_size(size));
}

// Reads up to `size` bytes; fewer means end of file.
size_t read_fully(int fd, const std::string& path, uint8_t* out, size_t size) {
  size_t done = 0;
  while (done < size) {
    wait_readable(fd);
    const ssize_t n = ::read(fd, out + done, std::min(size - done, size_t{1} << 30));
    if (n == 0) break;
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) fail_errno(errno, "read", path, FileUse::kInput);
    done += static_cast<size_t>(n);
  }
  return done;
}

// `expected`: the size when it is known. A text of unknown length is joined of parts that are freed one by one, so that
// no second copy of it is ever there.
std::string read_stream(int fd, const std::string& path, uint64_t limit, uint64_t expected = 0) {
  constexpr size_t kPart = size_t{1} << 20;
  std::list<std::string> parts;
  size_t total = 0;
  for (bool end = false; !end;) {
    std::string part(parts.empty() && expected > 0 ? expected + 1 : kPart, '\0');
    const size_t n = read_fully(fd, path, reinterpret_cast<uint8_t*>(part.data()), part.size());
    end = n < part.size();
    part.resize(n);
    total += n;
    check(total <= limit, ErrorCode::kResource, "[{}] expected at most {}, found more", name_of(path),
          allowed_size(limit));
    parts.push_back(std::move(part));
  }
  if (parts.size() == 1) return std::move(parts.front());
  std::string text;
  text.reserve(total);
  for (; !parts.empty(); parts.pop_front()) text += parts.front();
  return text;
}

uint8_t* allocate(const std::string& path, size_t size) {
  void* p = ::operator new(size, kAlign, std::nothrow);
  check(p != nullptr, ErrorCode::kResource, "[{}] expected {} of memory, found less; free some", name_of(path),
        needed_size(size));
  return static_cast<uint8_t*>(p);
}

}  // namespace

FileBytes FileBytes::load(const std::string& path, LoadMode mode, uint64_t limit) {
  const InputFd fd(path);
  const struct stat info = stat_input(fd, path);
  FileBytes file;
  if (!S_ISREG(info.st_mode)) {
    check(mode == LoadMode::kRead, ErrorCode::kData, "[{}] expected a regular file to map", path);
    // Both copies are there for a moment.
    const std::string text =
        read_stream(fd.get(), path, std::min(limit, static_cast<uint64_t>(available_memory()) / 2));
    file.data_ = allocate(path, text.size());
    file.size_ = text.size();
    std::copy(text.begin(), text.end(), file.data_);
    return file;
  }
  const auto size = static_cast<uint64_t>(info.st_size);
  check_limit(path, size, limit);
  if (size == 0) return file;
  if (mode == LoadMode::kMap) {
    void* p = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (p == MAP_FAILED) fail_errno(errno, "map", path, FileUse::kInput);
    file.data_ = static_cast<uint8_t*>(p);
    file.size_ = size;
    file.mapped_ = true;
    return file;
  }
  check_limit(path, size, static_cast<uint64_t>(available_memory()));
  file.data_ = allocate(path, size);
  file.size_ = size;
  const size_t got = read_fully(fd.get(), path, file.data_, size);
  check(got == size, ErrorCode::kIo, "[{}] file shrank while it was read: expected {}, found {}", path,
        counted(size, "byte"), got);
  return file;
}

FileBytes::FileBytes(FileBytes&& other) noexcept { *this = std::move(other); }

FileBytes& FileBytes::operator=(FileBytes&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

FileBytes::~FileBytes() {
  if (data_ == nullptr) return;
  if (mapped_) {
    ::munmap(data_, size_);
  } else {
    ::operator delete(data_, kAlign);
  }
}

std::string read_file(const std::string& path, uint64_t limit) {
  const InputFd fd(path);
  const struct stat info = stat_input(fd, path);
  const uint64_t size = S_ISREG(info.st_mode) ? static_cast<uint64_t>(info.st_size) : 0;
  check_limit(path, size, limit);
  return read_stream(fd.get(), path, limit, size);
}

}  // namespace hindscan
