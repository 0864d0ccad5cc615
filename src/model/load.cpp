// Hugging Face directories: config.json, weights, tokenizer.json; and models that are one file.
#include <sys/stat.h>

#include "io/vocabulary_file.h"
#include "model/config_json.h"
#include "model/load_weights.h"
#include "model/model.h"
#include "model/rwkv_file.h"
#include "model/weights_hash.h"

namespace hindscan {

namespace {

bool file_exists(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0;
}

// What a single file says of itself, by the kinds that have no config.json.
std::optional<Config> config_of_tensors(TensorStore& files, TensorStore::Format format) {
  return rwkv_config(files, format == TensorStore::Format::kRwkvBin);
}

}  // namespace

Model Model::load(const std::string& path, const LoadOptions& options) {
  struct stat st;
  check(::stat(path.c_str(), &st) == 0, ErrorCode::kNotFound,
        "[{}] expected a model directory or file, found nothing; check the path", path);
  const bool directory = S_ISDIR(st.st_mode);
  Model m = directory ? load_dir(path, options) : load_file(path, options);
  m.path_ = path;
  if (!options.tokenizer.empty()) {
    m.set_tokenizer(tokenizer_json_of_vocabulary(read_file(options.tokenizer, kJsonBytes), options.tokenizer),
                    options.tokenizer);
  } else {
    m.find_tokenizer(directory ? path : parent_dir(path), !directory);
  }
  return m;
}

Model Model::load_dir(const std::string& directory, const LoadOptions& options) {
  const std::string config_path = join_path(directory, "config.json");
  check(file_exists(config_path), ErrorCode::kNotFound, "[{}] expected config.json in the model directory, found none",
        directory);
  Model m;
  m.config_ = config_from_json(load_json(config_path), config_path);
  m.arch_ = make_architecture(m.config_);
  m.arch_->declare(m.weights_);
  const TensorStore files = TensorStore::open_dir(directory);
  check_weights_hash(files);
  load_weights(files, options.dtype, m.weights_);
  return m;
}

Model Model::load_file(const std::string& path, const LoadOptions& options) {
  TensorStore files = TensorStore::open_file(path);
  check_weights_hash(files);
  const std::string beside = join_path(parent_dir(path), "config.json");
  std::optional<Config> config = config_of_tensors(files, files.format());
  if (!config && file_exists(beside)) config = config_from_json(load_json(beside), beside);
  check(config.has_value(), ErrorCode::kData,
        "[{}] expected the tensors of an RWKV model or a config.json beside the file, found neither; give a model "
        "directory",
        path);
  Model m;
  m.config_ = std::move(*config);
  m.arch_ = make_architecture(m.config_);
  m.arch_->declare(m.weights_);
  load_weights(files, options.dtype, m.weights_);
  return m;
}

void Model::find_tokenizer(const std::string& directory, bool single_file) {
  if (single_file && arch_->sizes().vocab_size == 256) {
    set_tokenizer(byte_tokenizer_json(), "bytes");
    return;
  }
  const std::string own = join_path(directory, "tokenizer.json");
  const std::string vocabulary = file_exists(own) ? "" : find_vocabulary(directory, single_file);
  if (file_exists(own)) set_tokenizer(read_file(own, kJsonBytes), own);
  if (!vocabulary.empty())
    set_tokenizer(tokenizer_json_of_vocabulary(read_file(vocabulary, kJsonBytes), vocabulary), vocabulary);
}

}  // namespace hindscan
