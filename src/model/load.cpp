// Hugging Face directories: config.json, model.safetensors (or shards), tokenizer.json.
#include <sys/stat.h>

#include "model/config_json.h"
#include "model/load_weights.h"
#include "model/model.h"

namespace hindscan {

namespace {

bool file_exists(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0;
}

}  // namespace

Model Model::load(const std::string& directory, const LoadOptions& options) {
  struct stat st;
  check(::stat(directory.c_str(), &st) == 0, ErrorCode::kNotFound, "[{}] expected a model directory, found nothing; check the path", directory);
  check(S_ISDIR(st.st_mode), ErrorCode::kData, "[{}] expected a directory with config.json and model.safetensors, found a file", directory);
  const std::string config_path = join_path(directory, "config.json");
  check(file_exists(config_path), ErrorCode::kNotFound, "[{}] expected config.json in the model directory, found none", directory);
  Model m;
  m.path_ = directory;
  m.config_ = config_from_json(load_json(config_path), config_path);
  m.arch_ = make_architecture(m.config_);
  m.arch_->declare(m.weights_);
  const TensorStore files = TensorStore::open_dir(directory);
  load_weights(files, options.dtype, m.weights_);
  const std::string tokenizer_path = join_path(directory, "tokenizer.json");
  if (file_exists(tokenizer_path)) {
    std::string json = read_file(tokenizer_path);
    auto tokenizer = std::make_shared<const Tokenizer>(Tokenizer::from_json(json, tokenizer_path));
    m.set_tokenizer(std::move(tokenizer), std::move(json));
  }
  return m;
}

}  // namespace hindscan
