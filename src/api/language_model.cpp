#include "hindscan/language_model.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "api/impl.h"
#include "api/request.h"
#include "base/counted.h"
#include "base/interval.h"
#include "hindscan/hindscan.h"
#include "model/encode_text.h"
#include "model/predict.h"
#include "train/labelled.h"

namespace hindscan {

LanguageModel LanguageModel::load(const std::string& path) {
  return LanguageModel(
      std::make_shared<const Impl>(Impl{Model::load(path.empty() ? default_model_directory() : path)}));
}

std::vector<int32_t> LanguageModel::encode(std::string_view text) const { return encode_text(impl_->model, text); }

std::string LanguageModel::decode(std::span<const int32_t> tokens) const {
  impl_->model.check_tokens(tokens);
  return impl_->model.tokenizer().decode({tokens.begin(), tokens.end()});
}

GenerateOptions generate_options(const Generation& options) {
  check(options.max_tokens >= 0, ErrorCode::kUsage, "[generate] expected max_tokens of 0 or more, found {}",
        options.max_tokens);
  GenerateOptions o;
  o.max_tokens = options.max_tokens;
  o.sampling.temperature = options.temperature;
  o.sampling.top_k = options.top_k;
  o.sampling.top_p = options.top_p;
  o.sampling.min_p = options.min_p;
  o.sampling.repeat_penalty = options.repeat_penalty;
  o.sampling.seed = options.seed;
  o.stop = options.stop;
  return o;
}

Continuation continuation_of(const Generated& generated) {
  Continuation out;
  out.text = generated.text;
  for (const GeneratedToken& t : generated.tokens) {
    out.tokens.push_back(t.id);
    out.log_probs.push_back(t.log_prob);
  }
  using End = Continuation::End;
  constexpr End ends[] = {End::kLength, End::kStop, End::kEndOfText, End::kCancelled};  // in the order of StopReason
  out.end = ends[static_cast<size_t>(generated.reason)];
  return out;
}

std::string LanguageModel::generate(std::string_view prompt, const Generation& options) const {
  const RequestScope scope(options.cancel == nullptr ? nullptr : options.cancel->flag());
  const FlushedDenormals small;
  SequenceState state;
  return hindscan::generate(impl_->model, encode(prompt), state, generate_options(options), options.on_text).text;
}

Score LanguageModel::score(std::string_view text, const ScoreOptions& options) const {
  CallerRequest request(options.cancel, options.on_progress);
  const Model& model = impl_->model;
  const std::vector<int32_t> tokens = encode(text);
  std::vector<double> log_probs(tokens.size());  // [T]
  SequenceState state;
  ProgressTask progress(request.progress(), "score", "tokens", tokens.size());
  Runner runner(model);
  runner.on_chunk = [&](int64_t done) {
    throw_if_stopped();
    progress.set(static_cast<uint64_t>(done));
  };
  runner.score(tokens, state, log_probs);
  if (tokens.size() < 2) return {{}, NAN, NAN, {}};
  Score out;
  out.log_probs.assign(log_probs.begin() + 1, log_probs.end());
  RunningMean nats;
  size_t bytes = 0;
  for (size_t t = 1; t < tokens.size(); ++t) {
    nats.add(-log_probs[t]);
    bytes += tokens[t] < model.tokenizer().vocab_size() ? model.tokenizer().token_bytes(tokens[t]).size() : 0;
  }
  out.perplexity = std::exp(nats.mean());
  out.bits_per_byte = nats.mean() * static_cast<double>(nats.count()) / std::numbers::ln2 / static_cast<double>(bytes);
  if (const auto i = nats.interval()) out.perplexity_interval = Interval{std::exp(i->low), std::exp(i->high)};
  return out;
}

static Judgement judge(const Model& model, const Input& input) {
  const FlushedDenormals small;
  const std::vector<float> scores = predict(model, input);  // [1, labels]
  Judgement out;
  out.labels = label_names(model);
  out.regression = model.arch().sizes().regression;
  out.values = out.regression ? std::vector<double>(scores.begin(), scores.end()) : probabilities(scores);
  out.best = static_cast<size_t>(std::max_element(out.values.begin(), out.values.end()) - out.values.begin());
  return out;
}

Judgement LanguageModel::classify(std::string_view text) const {
  check(feature_dim() == 0, ErrorCode::kUsage, "[classify] expected vectors of {}, found a text",
        counted(feature_dim(), "number"));
  const std::vector<int32_t> tokens = encode(text);
  Input input;
  input.tokens = tokens;
  return judge(impl_->model, input);
}

Judgement LanguageModel::classify(std::span<const float> features) const {
  const int64_t F = feature_dim();
  const bool fits = F > 0 ? std::ssize(features) % F == 0 : impl_->model.arch().sizes().labels == 0;
  check(fits, ErrorCode::kUsage, "[classify] expected {}, found {}",
        F > 0 ? "vectors of " + counted(F, "number") : "a text", counted(features.size(), "number"));
  Input input;
  input.features = features;
  input.feature_dim = F;
  return judge(impl_->model, input);
}

std::string LanguageModel::name() const { return impl_->model.name(); }
int64_t LanguageModel::parameters() const { return std::as_const(impl_->model).weights().parameters(); }
int64_t LanguageModel::vocab_size() const { return feature_dim() > 0 ? 0 : impl_->model.arch().sizes().vocab_size; }
int64_t LanguageModel::feature_dim() const { return impl_->model.arch().sizes().feature_dim; }

const char* version() { return HINDSCAN_VERSION; }

}  // namespace hindscan
