#include "base/fs.h"

#include <sys/random.h>

#include <cerrno>
#include <system_error>

#include "base/error.h"

namespace hindscan {
namespace {

void write_in_place(Fs& fs, const std::string& path, const ByteParts& parts) {
  const int handle = fs.open(path, OpenMode::kAppend);
  try {
    for (const auto& part : parts) write_all(fs, handle, part);
  } catch (...) {
    fs.close(handle);
    throw;
  }
  fs.close(handle);
}

void write_and_close(Fs& fs, int handle, const ByteParts& parts) {
  try {
    for (const auto& part : parts) write_all(fs, handle, part);
    fs.fsync(handle);
  } catch (...) {
    try {
      fs.close(handle);
    } catch (...) {
    }
    throw;
  }
  fs.close(handle);
}

void copy_mode_or_close(Fs& fs, int handle, const std::string& from) {
  try {
    fs.copy_mode(handle, from);
  } catch (...) {
    fs.close(handle);
    throw;
  }
}

void remove_quietly(Fs& fs, const std::string& path) noexcept {
  try {
    fs.unlink(path);
  } catch (...) {  // the first error is the one to report
  }
}

// "book.npz" of "book.npz.tmp-0123456789abcdef": who reads an error knows no other name.
std::string_view without_temporary(std::string_view path) {
  constexpr std::string_view kTemporary = ".tmp-";
  constexpr size_t kDigits = 16;
  const size_t ours = kTemporary.size() + kDigits;
  return path.size() > ours && path.substr(path.size() - ours, kTemporary.size()) == kTemporary
             ? path.substr(0, path.size() - ours)
             : path;
}

}  // namespace

void fail_errno(int error_number, std::string_view op, std::string_view path, FileUse use) {
  check(!path.empty(), ErrorCode::kUsage, "[{}] expected the name of a file, found an empty one; name it", op);
  ErrorCode code = ErrorCode::kIo;
  if (error_number == ENOENT || error_number == ENOTDIR) {
    code = use == FileUse::kInput ? ErrorCode::kNotFound : ErrorCode::kCannotCreate;
  } else if (error_number == EACCES || error_number == EPERM || error_number == EROFS) {
    code = ErrorCode::kPermission;
  } else if (error_number == EEXIST || error_number == EISDIR || error_number == ENAMETOOLONG) {
    code = use == FileUse::kInput ? ErrorCode::kData : ErrorCode::kCannotCreate;
  } else if (error_number == ENOMEM || error_number == EMFILE || error_number == ENFILE) {
    code = ErrorCode::kResource;
  }
  fail(code, "[{}] cannot {}: {}", without_temporary(path), op, std::generic_category().message(error_number));
}

std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string parent_dir(const std::string& path) {
  size_t end = path.size();
  while (end > 1 && path[end - 1] == '/') --end;
  const size_t slash = path.rfind('/', end == 0 ? 0 : end - 1);
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string join_path(std::string_view dir, std::string_view name) {
  if (dir.empty()) return std::string(name);
  return dir.back() == '/' ? fmt::format("{}{}", dir, name) : fmt::format("{}/{}", dir, name);
}

void make_dirs(Fs& fs, const std::string& path) {
  const FileKind kind = fs.kind(path);
  if (kind == FileKind::kDirectory) return;
  check(kind == FileKind::kNone, ErrorCode::kCannotCreate, "[{}] expected a directory, found a file", path);
  const std::string parent = parent_dir(path);
  if (parent != path) make_dirs(fs, parent);
  fs.mkdir(path);
}

std::string temporary_name(const std::string& path) {
  uint64_t number = 0;
  while (::getrandom(&number, sizeof number, 0) != sizeof number) {
    if (errno != EINTR) fail_errno(errno, "draw a random name beside", path, FileUse::kOutput);
  }
  return fmt::format("{}.tmp-{:016x}", path, number);
}

void write_all(Fs& fs, int handle, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) bytes = bytes.subspan(fs.write(handle, bytes));
}

void write_file_synced(Fs& fs, const std::string& path, const ByteParts& parts, OpenMode mode) {
  write_and_close(fs, fs.open(path, mode), parts);
}

void write_file_atomic(Fs& fs, const std::string& given, const ByteParts& parts) {
  const FileKind kind = fs.kind(given);
  check(kind != FileKind::kDirectory, ErrorCode::kCannotCreate, "[{}] expected a file to write, found a directory",
        given);
  if (kind == FileKind::kOther) return write_in_place(fs, given, parts);
  const std::string path = fs.follow(given), temporary = temporary_name(path);
  const bool replaces = kind == FileKind::kRegular;
  const int handle = fs.open(temporary, replaces ? OpenMode::kCreatePrivate : OpenMode::kCreateNew);
  try {
    if (replaces) copy_mode_or_close(fs, handle, path);
    write_and_close(fs, handle, parts);
    fs.rename(temporary, path);
  } catch (...) {
    remove_quietly(fs, temporary);
    throw;
  }
  fs.fsync_dir(parent_dir(path));
}

void write_file_atomic(Fs& fs, const std::string& path, std::string_view text) {
  write_file_atomic(fs, path, ByteParts{as_bytes(text)});
}

}  // namespace hindscan
