#include "model/model.h"

#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "base/log.h"
#include "io/unknown_keys.h"
#include "model/config_json.h"

namespace hindscan {

Model Model::create(const Config& config, DType dtype, uint64_t seed) {
  Model m;
  m.configure(config, {});
  m.arch_->declare(m.weights_);
  m.weights_.allocate(dtype);
  m.weights_.initialise(seed);
  return m;
}

void Model::configure(Config config, const std::optional<Config>& generation) {
  config_ = config;
  config.record();
  arch_ = make_architecture(config);
  generation_ = read_generation(config, generation, arch_->sizes().vocab_size);
  unknown_keys_ = hindscan::unknown_keys(config, *arch_);
  for (const std::string& difference : differing_copies(config, *arch_))
    log_warning("[{}] {}", config_.label(), difference);
  note_unknown_keys(config_.label(), unknown_keys_);
}

Model Model::to(DType dtype) const {
  Model m;
  m.config_ = config_;
  m.generation_ = generation_;
  m.unknown_keys_ = unknown_keys_;
  m.arch_ = make_architecture(config_);
  m.arch_->declare(m.weights_);
  m.weights_.allocate(dtype);
  m.weights_.copy_from(weights_);
  m.tokenizer_ = tokenizer_;
  m.tokenizer_json_ = tokenizer_json_;
  m.tokenizer_problem_ = tokenizer_problem_;
  m.path_ = path_;
  return m;
}

std::string Model::name() const {
  std::string rest = path_;
  while (rest.size() > 1 && rest.ends_with('/')) rest.pop_back();
  if (rest.ends_with("/model")) rest.resize(rest.size() - std::string_view("/model").size());
  return rest.substr(rest.find_last_of('/') + 1);
}

const Tokenizer& Model::tokenizer() const {
  check(tokenizer_problem_.empty(), ErrorCode::kData, "{}", tokenizer_problem_);
  check(tokenizer_ != nullptr, ErrorCode::kData,
        "[{}] expected tokenizer.json or a vocabulary beside the weights, found none; give token ids, or a tokenizer",
        path_.empty() ? "model" : path_);
  return *tokenizer_;
}

void Model::set_tokenizer(std::shared_ptr<const Tokenizer> tokenizer, std::string json) {
  const int64_t vocab = arch_->sizes().vocab_size;
  check(static_cast<int64_t>(tokenizer->plain_size()) <= vocab, ErrorCode::kData,
        "[{}] expected a tokenizer of at most {} tokens, found {}; it belongs to another model",
        path_.empty() ? "tokenizer.json" : path_, vocab, tokenizer->plain_size());
  int64_t without_row = 0;
  for (auto id = static_cast<int32_t>(std::min<int64_t>(vocab, INT32_MAX)); id < tokenizer->vocab_size(); ++id)
    without_row += tokenizer->token_bytes(id).empty() ? 0 : 1;
  if (without_row > 0)
    log_info("{} no row in the model's table of {}, and {} refused in texts",
             counted(without_row, "added token has", "added tokens have"), vocab, without_row == 1 ? "is" : "are");
  tokenizer_ = std::move(tokenizer);
  tokenizer_json_ = std::move(json);
}

void Model::set_tokenizer(std::string json, const std::string& label) {
  auto tokenizer = std::make_shared<const Tokenizer>(Tokenizer::from_json(json, label));
  set_tokenizer(std::move(tokenizer), std::move(json));
}

// A pass over no tokens leaves what it starts from.
SequenceState Model::initial_state() const {
  SequenceState state;
  if (!arch_->sizes().tuned_start) return state;
  Input input;
  input.cu_seqlens = {0, 0};
  input.states = {&state};
  CtxOptions options;
  options.compute = compute();
  Ctx ctx(input, std::move(options));
  arch_->forward(ctx);
  ctx.commit();
  return state;
}

DType Model::compute() const {
  return weights_.size() > 0 && weights_[0].dtype == DType::kF64 ? DType::kF64 : DType::kF32;
}

void Model::check_tokens(std::span<const int32_t> tokens) const {
  const int64_t vocab = arch_->sizes().vocab_size;
  for (size_t t = 0; t < tokens.size(); ++t) {
    check(tokens[t] >= 0 && tokens[t] < vocab, ErrorCode::kUsage,
          "[tokens] expected ids in 0..{}, found {} at position {}; see `hindscan info`", vocab - 1, tokens[t], t);
  }
}

std::string find_non_finite(const WeightTable& weights) {
  for (size_t k = 0; k < weights.size(); ++k) {
    const Weight& w = weights[k];
    for (int64_t i = 0; i < w.size(); ++i) {
      bool finite = true;
      if (w.dtype == DType::kF32) finite = std::isfinite(static_cast<const float*>(w.data)[i]);
      if (w.dtype == DType::kF64) finite = std::isfinite(static_cast<const double*>(w.data)[i]);
      if (w.dtype == DType::kBF16) finite = (static_cast<const uint16_t*>(w.data)[i] & 0x7f80u) != 0x7f80u;
      if (w.dtype == DType::kF16) finite = (static_cast<const uint16_t*>(w.data)[i] & 0x7c00u) != 0x7c00u;
      if (!finite) return fmt::format("{}[{}]", w.name, i);
    }
  }
  return {};
}

}  // namespace hindscan
