#include "hindscan/hindscan.h"

#include <cmath>
#include <numeric>

#include "eval/causal.h"
#include "explain/report.h"
#include "model/encode_text.h"
#include "model/generate.h"
#include "model/model.h"

namespace hindscan {

struct LanguageModel::Impl {
  Model model;
};

LanguageModel LanguageModel::load(const std::string& directory) {
  return LanguageModel(
      std::make_shared<const Impl>(Impl{Model::load(directory.empty() ? default_model_directory() : directory)}));
}

std::vector<int32_t> LanguageModel::encode(std::string_view text) const { return encode_text(impl_->model, text); }

std::string LanguageModel::decode(const std::vector<int32_t>& tokens) const {
  impl_->model.check_tokens(tokens);
  return impl_->model.tokenizer().decode(tokens);
}

std::string LanguageModel::generate(std::string_view prompt, const Generation& options) const {
  GenerateOptions o;
  o.max_tokens = options.max_tokens;
  o.sampling.temperature = options.temperature;
  o.sampling.top_k = options.top_k;
  o.sampling.top_p = options.top_p;
  o.sampling.min_p = options.min_p;
  o.sampling.repeat_penalty = options.repeat_penalty;
  o.sampling.seed = options.seed;
  o.stop = options.stop;
  SequenceState state;
  return hindscan::generate(impl_->model, encode(prompt), state, o).text;
}

Score LanguageModel::score(std::string_view text) const {
  const std::vector<int32_t> tokens = encode(text);
  std::vector<double> log_probs(tokens.size());
  SequenceState state;
  Runner(impl_->model).score(tokens, state, log_probs);
  Score out;
  if (tokens.size() < 2) return {{}, NAN, NAN};
  out.log_probs.assign(log_probs.begin() + 1, log_probs.end());
  const double total = std::accumulate(out.log_probs.begin(), out.log_probs.end(), 0.0);
  size_t bytes = 0;
  for (size_t t = 1; t < tokens.size(); ++t) bytes += impl_->model.tokenizer().token_bytes(tokens[t]).size();
  out.perplexity = std::exp(-total / static_cast<double>(out.log_probs.size()));
  out.bits_per_byte = -total / std::log(2.0) / static_cast<double>(bytes);
  return out;
}

std::string LanguageModel::explain(std::string_view text, const Explanation& options) const {
  ExplainRequest request;
  request.tokens = encode(text);
  request.methods = parse_methods(options.methods);
  request.target = options.target;
  request.causal_edits = options.causal_edits;
  check(options.estimator == "exact" || options.estimator == "key-dropping", ErrorCode::kUsage,
        "[explain] expected the estimator exact or key-dropping, found \"{}\"", options.estimator);
  for (MethodSpec& method : request.methods) {
    if (method.name == "row" && options.estimator != "exact") method.set("estimator", options.estimator);
  }
  if (options.contrast == "none") request.contrast = Contrast::kNone;
  if (options.contrast != "none" && options.contrast != "auto") {
    const std::vector<int32_t> ids = encode_text(impl_->model, options.contrast, kInsideText);
    check(ids.size() == 1, ErrorCode::kUsage,
          "[explain] the contrast must be one token, \"{}\" is {}; try it with a leading space", options.contrast,
          ids.size());
    request.contrast = Contrast::kId;
    request.contrast_id = ids[0];
  }
  ExplainReport report = hindscan::explain(impl_->model, request);
  add_causal(impl_->model, request, report);
  return to_string(to_json(report));
}

int64_t LanguageModel::parameters() const { return std::as_const(impl_->model).weights().parameters(); }

const char* version() { return HINDSCAN_VERSION; }

}  // namespace hindscan
