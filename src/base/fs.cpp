#include "base/fs.h"

#include <unistd.h>

#include <atomic>
#include <system_error>

#include "base/error.h"

namespace hindscan {
namespace {

// Unique within the machine for as long as the process lives; deterministic within a run.
std::string temporary_name(const std::string& path) {
  static std::atomic<unsigned> counter{0};
  return fmt::format("{}.tmp-{}-{}", path, ::getpid(), counter++);
}

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

void remove_quietly(Fs& fs, const std::string& path) noexcept {
  try {
    fs.unlink(path);
  } catch (...) {  // the first error is the one to report
  }
}

}  // namespace

void fail_errno(int error_number, std::string_view op, std::string_view path, FileUse use) {
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
  fail(code, "[{}] cannot {}: {}", path, op, std::generic_category().message(error_number));
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

void write_all(Fs& fs, int handle, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) bytes = bytes.subspan(fs.write(handle, bytes));
}

void write_file_synced(Fs& fs, const std::string& path, const ByteParts& parts, OpenMode mode) {
  const int handle = fs.open(path, mode);
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

void write_file_atomic(Fs& fs, const std::string& path, const ByteParts& parts) {
  const FileKind kind = fs.kind(path);
  check(kind != FileKind::kDirectory, ErrorCode::kCannotCreate, "[{}] expected a file to write, found a directory",
        path);
  if (kind == FileKind::kOther) return write_in_place(fs, path, parts);
  const std::string temporary = temporary_name(path);
  try {
    write_file_synced(fs, temporary, parts);
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
