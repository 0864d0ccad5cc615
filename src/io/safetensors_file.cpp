#include <set>

#include "base/error.h"
#include "io/json_reader.h"
#include "io/safetensors.h"

namespace hindscan {
namespace {

// A name from an untrusted index may only ever mean a file beside that index.
void check_bare_name(const std::string& name, std::string_view ending, std::string_view label) {
  bool bare = !name.empty() && name.size() <= limit::kFileName && name[0] != '.';
  for (const char c : name) bare = bare && c != '/' && c != '\\' && c != ':' && static_cast<unsigned char>(c) >= 0x20;
  check(bare && name.ends_with(ending), ErrorCode::kData,
        "[{}] expected a bare file name ending in {} in weight_map, found {}", label, ending,
        to_string(Json(name.substr(0, 200))));
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::string& path, LoadMode mode) {
  return from_bytes(FileBytes::load(path, mode), path);
}

SafetensorsFile SafetensorsFile::from_bytes(FileBytes file, const std::string& path) {
  SafetensorsFile result;
  result.path_ = path;
  result.file_ = std::move(file);
  result.layout_ = parse_safetensors(result.file_.bytes(), path);
  for (size_t i = 0; i < result.layout_.tensors.size(); ++i) result.index_.emplace(result.layout_.tensors[i].name, i);
  return result;
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &layout_.tensors[it->second];
}

std::span<const uint8_t> SafetensorsFile::bytes(const TensorInfo& tensor) const {
  return file_.bytes().subspan(tensor.begin, tensor.end - tensor.begin);
}

std::map<std::string, std::string> parse_safetensors_index(std::string_view json, std::string_view label,
                                                           std::string_view ending) {
  const Json root = parse_json(json, label);
  const JsonReader map = JsonReader(root, std::string(label)).get_object("weight_map");
  std::map<std::string, std::string> result;
  std::set<std::string> shards;
  for (const auto& [tensor, file] : map.value().members()) {
    check(file.is_string(), ErrorCode::kData, "[{}] expected a file name, found {}", map.where(tensor),
          file.type_name());
    if (shards.insert(file.as_string()).second) check_bare_name(file.as_string(), ending, label);
    result.emplace(tensor, file.as_string());
  }
  check(!shards.empty() && shards.size() <= limit::kShards, ErrorCode::kData, "[{}] expected 1 to {} shards, found {}",
        label, limit::kShards, shards.size());
  return result;
}

void SafetensorsSet::add(SafetensorsFile file) {
  files_.push_back(std::make_unique<SafetensorsFile>(std::move(file)));
  const SafetensorsFile& added = *files_.back();
  for (const TensorInfo& info : added.tensors()) {
    const bool fresh = index_.try_emplace(info.name, files_.size() - 1, &info).second;
    check(fresh, ErrorCode::kData, "[{}] expected each tensor in one shard, found '{}' in an earlier one too",
          added.path(), info.name);
  }
}

SafetensorsSet SafetensorsSet::open_file(const std::string& path, LoadMode mode) {
  SafetensorsSet set;
  set.add(SafetensorsFile::open(path, mode));
  return set;
}

SafetensorsSet SafetensorsSet::open_dir(const std::string& dir, LoadMode mode) {
  const std::string single = join_path(dir, "model.safetensors");
  const std::string index = join_path(dir, "model.safetensors.index.json");
  if (real_fs().kind(single) != FileKind::kNone) return open_file(single, mode);
  check(real_fs().kind(index) != FileKind::kNone, ErrorCode::kNotFound,
        "[{}] expected model.safetensors or model.safetensors.index.json, found neither; give a model directory", dir);
  const auto weight_map = parse_safetensors_index(read_file(index, kJsonBytes), index);
  std::set<std::string> shards;
  for (const auto& [tensor, file] : weight_map) shards.insert(file);
  SafetensorsSet set;
  for (const std::string& shard : shards) set.add(SafetensorsFile::open(join_path(dir, shard), mode));
  for (const auto& [tensor, file] : weight_map) {
    const auto it = set.index_.find(tensor);
    check(it != set.index_.end() && set.files_[it->second.first]->path() == join_path(dir, file), ErrorCode::kData,
          "[{}] expected tensor '{}' in '{}', found it {}", index, tensor, file,
          it == set.index_.end() ? "nowhere" : "in another shard");
  }
  return set;
}

SafetensorsSet::Entry SafetensorsSet::find(std::string_view name) const {
  const auto it = index_.find(name);
  if (it == index_.end()) return {};
  const auto& [file, info] = it->second;
  return {info, files_[file]->bytes(*info)};
}

std::vector<std::string> SafetensorsSet::names() const {
  std::vector<std::string> result;
  for (const auto& [name, where] : index_) result.push_back(name);
  return result;
}

}  // namespace hindscan
