#include "model/find_model.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/shell_quote.h"
#include "io/file_kind.h"

namespace hindscan {
namespace {

bool is_file(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 && !S_ISDIR(st.st_mode);
}

std::string head_of(const std::string& path) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return "";  // what cannot be read twice is not looked at
  std::string head(kFileHead, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(std::max<std::streamsize>(0, in.gcount())));
  return head;
}

// Why a file is no weight file, or nothing to say. Archives of torch.save are zip files.
void refuse_other_files(const std::string& path) {
  const std::string head = head_of(path);
  const auto known = known_file(head);
  check(!known || head.starts_with("PK"), ErrorCode::kData, "[{}] expected model weights, found {}; {}", path,
        known ? known->name : "", known ? known->advice : "");
  const bool json = looks_like_text(head) && head.find_first_not_of(" \n\r\t") == head.find('{');
  check(!json, ErrorCode::kData, "[{}] expected model weights, found a JSON file; give the folder: -m {}", path,
        parent_dir(path));
  check(!looks_like_text(head), ErrorCode::kData,
        "[{}] expected model weights, found a text file; give the model's folder or its weight file", path);
}

// What to do with a directory that has no config.json.
std::string advice(const std::string& directory) {
  std::vector<std::string> weights;
  for (const std::string& name : real_fs().list(directory)) {
    if (name.starts_with("ckpt-")) {
      return fmt::format(
          "it is a run that has not finished; continue it: hindscan train --resume {0}; or write its newest checkpoint "
          "as a model: hindscan train --resume {0} --export OTHER",
          shell_quote(directory));
    }
    if (name.ends_with(".gguf"))
      return "its GGUF files are for llama.cpp; take the original model's safetensors instead";
    if (name == "adapter_config.json") return "it is an adapter: merge it into its base model first";
    if (name.ends_with(".pth") || name.ends_with(".safetensors") || name.ends_with(".bin")) weights.push_back(name);
  }
  if (weights.empty()) return "check the path";
  return fmt::format("if {} is an RWKV model, give that file", join_path(directory, weights.front()));
}

}  // namespace

FoundModel find_model(const std::string& path) {
  struct stat st;
  check(::stat(path.c_str(), &st) == 0, ErrorCode::kNotFound,
        "[{}] expected a model directory or file, found nothing; check the path", path);
  if (!S_ISDIR(st.st_mode)) {
    refuse_other_files(path);
    return {path, false};
  }
  if (is_file(join_path(path, "config.json"))) return {path, true};
  const std::string inner = join_path(path, "model");
  if (is_file(join_path(inner, "config.json"))) {
    log_info("{} is the directory of a run: its model is {}", path, inner);
    return {inner, true};
  }
  fail(ErrorCode::kNotFound, "[{}] expected config.json in the model directory, found none; {}", path, advice(path));
}

}  // namespace hindscan
