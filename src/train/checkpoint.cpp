#include "train/checkpoint.h"

#include <algorithm>

#include "base/budget.h"
#include "base/counted.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "io/json_reader.h"

namespace hindscan {
namespace {

constexpr const char* kManifest = "MANIFEST.json";
constexpr std::string_view kPrefix = "ckpt-";
constexpr std::string_view kTrash = ".trash-";

std::optional<int64_t> step_of(std::string_view name) {
  if (!name.starts_with(kPrefix) || name.size() < kPrefix.size() + 7 || name.size() > kPrefix.size() + 15) return {};
  int64_t step = 0;
  for (char c : name.substr(kPrefix.size())) {
    if (c < '0' || c > '9') return {};
    step = step * 10 + (c - '0');
  }
  return step;
}

std::string make_manifest(int64_t step, const std::vector<CheckpointFile>& files) {
  Json list = Json::array();
  for (const auto& f : files) {
    list.push(Json::object().set("name", f.name).set("bytes", f.bytes.size()).set("xxh64", hash_hex(xxh64(f.bytes))));
  }
  return to_string(Json::object().set("step", step).set("files", list), {.indent = 1}) + "\n";
}

// Deletes what a trainer writes: a folder of files. Anything else, or what a link leads to, is not ours and stays.
void remove_ours(Fs& fs, const std::string& path) {
  if (fs.is_link(path) || fs.kind(path) == FileKind::kRegular) return fs.unlink(path);
  if (fs.kind(path) != FileKind::kDirectory) return;
  bool all = true;
  for (const std::string& name : fs.list(path)) {
    const std::string file = join_path(path, name);
    const bool plain = fs.is_link(file) || fs.kind(file) == FileKind::kRegular;
    if (plain) fs.unlink(file);
    all = all && plain;
  }
  if (all) return fs.rmdir(path);
  log_warning("{}: holds what no trainer wrote; left alone", path);
}

// What is deleted first loses its name, so that a crash in between leaves no half checkpoint.
void trash(Fs& fs, const std::string& run_dir, const std::string& name) {
  const std::string to = temporary_name(join_path(run_dir, std::string(kTrash) + name));
  fs.rename(join_path(run_dir, name), to);
  remove_ours(fs, to);
}

// Neither a link to elsewhere nor a device that never ends.
std::string read_plain(Fs& fs, const std::string& path, uint64_t limit) {
  const FileKind kind = fs.kind(path);
  check(!fs.is_link(path) && (kind == FileKind::kRegular || kind == FileKind::kNone), ErrorCode::kData,
        "[{}] expected a plain file, found something else", path);
  return fs.read(path, limit);
}

bool is_valid(Fs& fs, const std::string& run_dir, int64_t step) {
  try {
    load_checkpoint(fs, run_dir, step);
    return true;
  } catch (const Error&) {
    return false;
  }
}

void check_space(Fs& fs, const std::string& run_dir, const std::vector<CheckpointFile>& files) {
  uint64_t need = uint64_t{1} << 16;  // manifest, directory entries
  for (const auto& f : files) need += f.bytes.size();
  const uint64_t free = fs.free_bytes(run_dir);
  check(free >= need, ErrorCode::kIo, "[{}] expected {} of free disk for a checkpoint, found {}; make room there",
        run_dir, needed_size(need), allowed_size(free));
}

void write_checkpoint_dir(Fs& fs, const std::string& dir, int64_t step, const std::vector<CheckpointFile>& files) {
  fs.mkdir(dir);
  for (const auto& f : files) write_file_synced(fs, join_path(dir, f.name), ByteParts{as_bytes(f.bytes)});
  const std::string manifest = make_manifest(step, files);
  write_file_synced(fs, join_path(dir, kManifest), ByteParts{as_bytes(manifest)});
  fs.fsync_dir(dir);
}

// Newer ones than `step` were skipped as invalid when the run resumed; they are no reason to delete a valid one.
void delete_old(Fs& fs, const std::string& run_dir, int64_t step, int64_t keep) {
  std::vector<int64_t> steps = checkpoint_steps(fs, run_dir);
  std::erase_if(steps, [&](int64_t s) { return s > step; });
  const auto extra = static_cast<int64_t>(steps.size()) - keep;
  for (int64_t i = 0; i < extra; ++i) trash(fs, run_dir, checkpoint_name(steps[static_cast<size_t>(i)]));
}

}  // namespace

const std::string& Checkpoint::file(const std::string& name) const {
  const auto it = files.find(name);
  check(it != files.end(), ErrorCode::kData, "[{}] expected a file {}, found none; the checkpoint is not ours", path,
        name);
  return it->second;
}

std::string checkpoint_name(int64_t step) { return fmt::format("ckpt-{:07}", step); }

std::vector<int64_t> checkpoint_steps(Fs& fs, const std::string& run_dir) {
  std::vector<int64_t> steps;
  for (const std::string& name : fs.list(run_dir)) {
    if (const auto step = step_of(name)) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

void save_checkpoint(Fs& fs, const std::string& run_dir, int64_t step, const std::vector<CheckpointFile>& files,
                     int64_t keep) {
  const std::string name = checkpoint_name(step);
  const std::string final_dir = join_path(run_dir, name);
  if (fs.kind(final_dir) == FileKind::kDirectory) {
    if (is_valid(fs, run_dir, step)) return;  // a resumed run arrives at a step that an earlier one saved
    trash(fs, run_dir, name);
  }
  check_space(fs, run_dir, files);
  const std::string temporary = temporary_name(final_dir);
  try {
    write_checkpoint_dir(fs, temporary, step, files);
    fs.rename(temporary, final_dir);
  } catch (const Error&) {
    try {
      remove_ours(fs, temporary);
    } catch (const Error&) {  // the next start cleans up; the first error is the one to report
    }
    throw;
  }
  fs.fsync_dir(run_dir);
  write_file_atomic(fs, join_path(run_dir, "latest"), name + "\n");
  delete_old(fs, run_dir, step, keep);
}

Checkpoint load_checkpoint(Fs& fs, const std::string& run_dir, int64_t step) {
  Checkpoint out;
  out.step = step;
  out.path = join_path(run_dir, checkpoint_name(step));
  const std::string manifest_path = join_path(out.path, kManifest);
  const Json manifest = parse_json(read_plain(fs, manifest_path, limit::kManifestBytes), manifest_path);
  const JsonReader reader(manifest, manifest_path);
  reader.get_int("step", step, step);
  Budget budget = Budget::of_machine(out.path);
  budget.count(reader.get_array("files").size(), limit::kCheckpointFiles, "files");
  for (const Json& entry : reader.get_array("files")) {
    const JsonReader file(entry, manifest_path, "files");
    const std::string& name = file.get_string("name");
    const bool bare = !name.empty() && name[0] != '.' && name.size() <= limit::kFileName;
    check(bare && name.find('/') == std::string::npos && name.find('\0') == std::string::npos, ErrorCode::kData,
          "[{}] expected bare file names, found \"{}\"", manifest_path, name.substr(0, limit::kFileName));
    const auto size = static_cast<uint64_t>(file.get_int("bytes", 0));
    budget.take(size, 1, "files");
    std::string bytes = read_plain(fs, join_path(out.path, name), size);
    check(bytes.size() == size, ErrorCode::kData, "[{}/{}] expected {}, found {}", out.path, name,
          counted(size, "byte"), bytes.size());
    check(hash_hex(xxh64(bytes)) == file.get_string("xxh64"), ErrorCode::kData,
          "[{}/{}] expected contents of hash {}, found {}", out.path, name, file.get_string("xxh64"),
          hash_hex(xxh64(bytes)));
    out.files.emplace(name, std::move(bytes));
  }
  return out;
}

std::optional<Checkpoint> load_newest_checkpoint(Fs& fs, const std::string& run_dir) {
  std::vector<int64_t> steps = checkpoint_steps(fs, run_dir);
  std::reverse(steps.begin(), steps.end());
  for (int64_t step : steps) {
    try {
      return load_checkpoint(fs, run_dir, step);
    } catch (const Error& e) {
      log_warning("checkpoint skipped: {}", e.message());
    }
  }
  return {};
}

void clean_run_dir(Fs& fs, const std::string& run_dir) {
  for (const std::string& name : fs.list(run_dir)) {
    const bool unfinished = name.starts_with(kPrefix) && name.find(".tmp-") != std::string::npos;
    const std::string path = join_path(run_dir, name);
    if (unfinished || name.starts_with(kTrash) || name.starts_with("latest.tmp-")) remove_ours(fs, path);
  }
}

}  // namespace hindscan
