// Hugging Face directories: config.json, weights, tokenizer.json; and models that are one file.
#include <sys/stat.h>

#include <algorithm>

#include "base/log.h"
#include "io/tokenizer_companions.h"
#include "io/vocabulary_file.h"
#include "model/config_json.h"
#include "model/embedded_model.h"
#include "model/find_model.h"
#include "model/load_weights.h"
#include "model/model.h"
#include "model/rwkv_file.h"

namespace hindscan {

namespace {

bool file_exists(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0;
}

std::optional<Config> generation_config(const std::string& directory) {
  const std::string path = join_path(directory, "generation_config.json");
  return file_exists(path) ? std::optional(load_config(path)) : std::nullopt;
}

bool has_tuned_states(const TensorStore& files) {
  const std::vector<std::string> names = files.names();
  return std::any_of(names.begin(), names.end(), [](const std::string& n) { return n.ends_with(".time_state"); });
}

// What a single file says of itself, by the kinds that have no config.json.
std::optional<Config> config_of_tensors(TensorStore& files, TensorStore::Format format) {
  return rwkv_config(files, format == TensorStore::Format::kRwkvBin);
}

}  // namespace

Model Model::load(const std::string& path, const LoadOptions& options) {
  const bool built_in = path == kBuiltInModel;
  const FoundModel found = built_in ? FoundModel{path, false} : find_model(path);
  Model m = built_in          ? load_built_in(options)
            : found.directory ? load_dir(found.path, options)
                              : load_file(found.path, options);
  m.path_ = found.path;
  if (!options.tokenizer.empty()) {
    m.set_tokenizer(read_tokenizer(options.tokenizer), options.tokenizer);
  } else if (built_in) {
    m.set_tokenizer(std::string(embedded_english().tokenizer), path);
  } else {
    m.try_tokenizer(found.directory ? found.path : parent_dir(found.path), !found.directory);
  }
  m.say_foreign_tokenizer();
  return m;
}

Model Model::load_built_in(const LoadOptions& options) {
  const EmbeddedModel& e = embedded_english();
  TensorStore files(kBuiltInModel);
  for (const TensorInfo& t : parse_safetensors(e.weights, kBuiltInModel).tensors)
    files.add(t, e.weights.subspan(t.begin, t.end - t.begin));
  Model m;
  m.configure(parse_config(e.config, kBuiltInModel), {});
  m.take_weights(files, options);
  return m;
}

Model Model::load_dir(const std::string& directory, const LoadOptions& options) {
  const std::string config_path = join_path(directory, "config.json");
  Model m;
  m.configure(load_config(config_path), generation_config(directory));
  TensorStore files = TensorStore::open_dir(directory);
  m.take_weights(files, options, check_weights_hash(files));
  return m;
}

Model Model::load_file(const std::string& path, const LoadOptions& options) {
  TensorStore files = TensorStore::open_file(path);
  const CheckedHash checked = check_weights_hash(files);
  const std::string beside = join_path(parent_dir(path), "config.json");
  std::optional<Config> config = config_of_tensors(files, files.format());
  if (!config && file_exists(beside)) config = load_config(beside);
  check(config.has_value(), ErrorCode::kData,
        "[{}] expected the tensors of an RWKV model or a config.json beside the file, found neither; give a model "
        "directory",
        path);
  Model m;
  m.configure(std::move(*config), generation_config(parent_dir(path)));
  m.take_weights(files, options, checked);
  return m;
}

// Tokens by their ids need no tokenizer: one that cannot be read is an error only when text is.
void Model::try_tokenizer(const std::string& directory, bool single_file) {
  try {
    find_tokenizer(directory, single_file);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kData && e.code() != ErrorCode::kResource) throw;
    tokenizer_problem_ = e.message();
    log_warning("the tokenizer is left out, so texts cannot be read, only token ids: {}", e.message());
  }
}

// A vocabulary is padded by a few rows, not by a tenth: the rest may belong to another tokenizer (RWKV has two).
void Model::say_foreign_tokenizer() const {
  const int64_t rows = arch_->sizes().vocab_size, known = has_tokenizer() ? tokenizer_->vocab_size() : rows;
  constexpr int64_t kSmall = 1024;
  if (rows > kSmall && 10 * known < 9 * rows)
    log_warning("the tokenizer knows {} of the model's {} tokens: it may be another model's; name the right one", known,
                rows);
}

void Model::take_weights(TensorStore& files, const LoadOptions& options, const CheckedHash& checked) {
  if (!arch_->sizes().tuned_start && has_tuned_states(files)) {  // beside a configuration that does not tell of them
    config_.set("time_state", true);
    arch_ = make_architecture(config_);
  }
  weights_.expect_from(files.label(), files.size());
  arch_->declare(weights_);
  use_declared_names(weights_, files);
  load_weights(files, options.dtype, weights_);
  if (is_as_checked(weights_, files, checked)) hash_->set(checked.text);
}

void Model::find_tokenizer(const std::string& directory, bool single_file) {
  if (single_file && arch_->sizes().vocab_size == 256) {
    set_tokenizer(byte_tokenizer_json(), "bytes");
    return;
  }
  const std::string own = join_path(directory, "tokenizer.json");
  const std::string vocabulary = file_exists(own) ? "" : find_vocabulary(directory, single_file);
  if (file_exists(own)) set_tokenizer(read_tokenizer(own), own);
  if (!vocabulary.empty()) set_tokenizer(read_tokenizer(vocabulary), vocabulary);
}

}  // namespace hindscan
