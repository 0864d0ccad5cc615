// A model: loaded from files, it continues, scores and judges texts; explained by hindscan/explanation.h.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hindscan/error.h"
#include "hindscan/interval.h"
#include "hindscan/request.h"

namespace hindscan {

class Explanation;
class Session;
struct ExplainRequest;
struct ExplainOptions;
struct Effects;
struct EffectsOptions;
struct Matrix;
struct MatrixOptions;

// Greedy unless a temperature > 0 is given; top_k 0, top_p 1, min_p 0, repeat_penalty 1: off. Same seed, same text.
// Error(kUsage) for values out of range.
struct Generation {
  int64_t max_tokens = 128;
  double temperature = 0;
  int64_t top_k = 0;
  double top_p = 1;
  double min_p = 0;
  double repeat_penalty = 1;
  uint64_t seed = 0;
  std::vector<std::string> stop = {};                       // ends before any of these
  std::function<void(std::string_view)> on_text = nullptr;  // text that is final, as it comes
  const Cancel* cancel = nullptr;
};

// What a model wrote.
struct Continuation {
  enum class End : uint8_t { kLength, kStop, kEndOfText, kCancelled };
  std::string text;               // ends before a stop text
  std::vector<int32_t> tokens;    // as written, those of the stop text included
  std::vector<double> log_probs;  // [tokens], nats, before penalties and temperature
  End end = End::kLength;
};

struct ScoreOptions {
  const Cancel* cancel = nullptr;
  OnProgress on_progress = nullptr;
};

struct Score {
  std::vector<double> log_probs;                // [tokens - 1], nats: token t + 1 given all before it
  double perplexity = 0;                        // exp(-mean log_probs); NaN for fewer than two tokens
  double bits_per_byte = 0;                     // over the bytes of the scored tokens
  std::optional<Interval> perplexity_interval;  // 95 %, as if tokens were independent; none for fewer than three
};

// What a classifier or regressor says of one input.
struct Judgement {
  std::vector<std::string> labels;  // of the model
  std::vector<double> values;       // [labels] probabilities, or the numbers of a regression
  bool regression = false;
  size_t best = 0;  // index of the largest value
};

// Cheap to copy; safe to use from several threads at once. Every function may throw Error.
class LanguageModel {
 public:
  LanguageModel(const LanguageModel&) = default;  // moving copies as well: no model is ever empty
  LanguageModel& operator=(const LanguageModel&) = default;

  // A Hugging Face directory (config.json, weights, tokenizer.json) or a single file of weights; empty: the built-in
  // model. Error(kNotFound, kData, kIo).
  static LanguageModel load(const std::string& path = {});

  std::vector<int32_t> encode(std::string_view text) const;   // what the model's tokenizer adds at the ends included
  std::string decode(std::span<const int32_t> tokens) const;  // Error(kUsage) for one outside the vocabulary
  // The continuation alone. Error(kUsage) for an empty prompt.
  std::string generate(std::string_view prompt, const Generation& options = {}) const;
  Score score(std::string_view text, const ScoreOptions& options = {}) const;  // any length, constant memory
  // Error(kData) unless the model is a classifier or regressor, kUsage unless it reads texts; of features: vectors
  // [T, feature_dim].
  Judgement classify(std::string_view text) const;
  Judgement classify(std::span<const float> features) const;

  // Linear time, any length (but in layers of attention). Error(kUsage) for what cannot be asked, Error(kResource) for
  // what does not fit options.mem_limit, Error(kData) where numbers leave the finite ones.
  Explanation explain(std::string_view text, const ExplainOptions& options) const;
  Explanation explain(std::string_view text) const;
  Explanation explain(std::span<const float> features, const ExplainOptions& options) const;  // [T, feature_dim]
  Matrix matrix(std::string_view text, const MatrixOptions& options) const;                   // the same errors
  // The same errors, and Error(kData) for a classifier or a model that reads vectors.
  Effects effects(std::string_view text, const EffectsOptions& options) const;

  std::string name() const;
  int64_t parameters() const;
  int64_t vocab_size() const;   // 0: it reads vectors
  int64_t feature_dim() const;  // numbers of a vector; 0: it reads tokens

 private:
  friend class Session;
  struct Impl;
  explicit LanguageModel(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  Explanation explained(ExplainRequest request, const ExplainOptions& options) const;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace hindscan
