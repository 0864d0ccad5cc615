#include "train/inputs.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "base/mmap.h"

namespace hindscan {
namespace {

constexpr const char* kFolder = "inputs";
constexpr std::array<std::string_view, 6> kFolders = {"inputs", "cache", "model", "ckpt-", ".trash-", "latest"};
constexpr std::array<std::string_view, 2> kFiles = {"lock", "log.jsonl"};

struct Input {
  std::string TrainOptions::*path;
  std::optional<std::string> TrainOverrides::*given;
  const char *name, *what;
};
constexpr Input kInputs[] = {
    {&TrainOptions::valid, &TrainOverrides::valid, "valid", "held-out data"},
    {&TrainOptions::labels, &TrainOverrides::labels, "labels", "labels"},
    {&TrainOptions::features, &TrainOverrides::features, "features", "vectors"},
    {&TrainOptions::valid_features, &TrainOverrides::valid_features, "valid-features", "held-out vectors"},
};

// The ending tells how a labelled file is read.
std::string ending_of(const std::string& path) {
  const std::string ending = path.substr(std::min(path.rfind('.'), path.size()));
  const bool plain =
      ending.size() > 1 && ending.size() < 12 &&
      std::all_of(ending.begin() + 1, ending.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
  return plain ? ending : ".txt";
}

std::string kept(Fs& fs, const std::string& folder, const std::string& name) {
  if (fs.kind(folder) != FileKind::kDirectory) return "";
  for (const std::string& entry : fs.list(folder)) {
    if (entry.substr(0, entry.find('.')) == name && entry.find(".tmp-") == std::string::npos) {
      return join_path(folder, entry);
    }
  }
  return "";
}

std::string keep(Fs& fs, const std::string& folder, const std::string& name, const std::string& from) {
  make_dirs(fs, folder);
  std::string to = join_path(folder, name + ending_of(from));
  const std::string before = kept(fs, folder, name);
  const bool file = fs.kind(from) == FileKind::kRegular;
  const FileBytes bytes = FileBytes::load(from, file ? LoadMode::kMap : LoadMode::kRead);
  if (!before.empty() && before != to) fs.unlink(before);
  write_file_atomic(fs, to, ByteParts{bytes.bytes()});
  return to;
}

void check_plain(Fs& fs, const std::string& path, int depth) {
  const FileKind kind = fs.kind(path);
  check(!fs.is_link(path) && kind != FileKind::kOther && depth < 4, ErrorCode::kData,
        "[{}] expected a plain file or folder of a run, found {}; remove it, or put what it leads to in its place",
        path,
        fs.is_link(path)           ? "a link"
        : kind == FileKind::kOther ? "a pipe or device"
                                   : "folders within folders");
  if (kind != FileKind::kDirectory) return;
  for (const std::string& name : fs.list(path)) check_plain(fs, join_path(path, name), depth + 1);
}

}  // namespace

void check_run_dir(Fs& fs, const std::string& run_dir) {
  for (const std::string& name : fs.list(run_dir)) {
    const bool ours = std::find(kFiles.begin(), kFiles.end(), name) != kFiles.end() ||
                      std::any_of(kFolders.begin(), kFolders.end(), [&](auto f) { return name.starts_with(f); });
    if (ours) check_plain(fs, join_path(run_dir, name), 0);
  }
}

void keep_inputs(Fs& fs, TrainOptions& options) {
  for (const Input& in : kInputs) {
    std::string& path = options.*in.path;
    if (path.empty()) continue;
    const std::string copy = keep(fs, join_path(options.out, kFolder), in.name, path);
    options.given[copy] = path;
    path = copy;
  }
}

void take_inputs(Fs& fs, const TrainOverrides& given, TrainOptions& options) {
  const std::string folder = join_path(options.out, kFolder);
  for (const Input& in : kInputs) {
    std::string& path = options.*in.path;
    const std::optional<std::string>& again = given.*in.given;
    check(!again || !path.empty(), ErrorCode::kUsage, "[{}] expected a run that began with {}, found one without",
          options.out, in.what);
    if (path.empty()) continue;
    const std::string inside = again ? keep(fs, folder, in.name, *again) : kept(fs, folder, in.name);
    check(!inside.empty(), ErrorCode::kUsage,
          "[{}] expected the {} inside the run directory, found none; it began with '{}', which is not opened unasked: "
          "name the file of {} again",
          options.out, in.what, path, in.what);
    if (again) options.given[inside] = *again;
    path = inside;
  }
  options.log.clear();
}

}  // namespace hindscan
