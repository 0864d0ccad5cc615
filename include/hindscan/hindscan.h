// Hindscan's public C++ interface: load a model, continue, score and explain text. Stable; no templates, no flags
// needed.
//
//   const auto model = hindscan::LanguageModel::load();
//   std::cout << model.generate("Once upon a time", {.max_tokens = 32});
//   std::cout << model.explain("Once upon a time");          // JSON, schema hindscan.explain/3
//
// Every function may throw hindscan::Error. Objects may be used from several threads at once; the library never prints.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hindscan/error.h"

namespace hindscan {

// temperature 0: greedy, else >= 0; top_k 0, top_p 1, min_p 0, repeat_penalty 1: off. Same seed, same text.
struct Generation {
  int64_t max_tokens = 128;
  double temperature = 0;
  int64_t top_k = 0;
  double top_p = 1;
  double min_p = 0;
  double repeat_penalty = 1;
  uint64_t seed = 0;
  std::vector<std::string> stop;
};

struct Score {
  std::vector<double> log_probs;  // [tokens - 1], nats: token t + 1 given all before it
  double perplexity = 0;          // exp(-mean log_probs); NaN for fewer than two tokens
  double bits_per_byte = 0;       // over the bytes of the scored tokens
};

// methods: comma-separated names of "row" (implicit attention of the target; Ali et al., arXiv 2403.01590, and the
// unified form of arXiv 2405.16504), "rollout", "gradient-x-input", "frozen", "integrated-gradients", each with its
// options as NAME:key=value, e.g. "integrated-gradients:steps=32". target: position whose next token is explained,
// negative from the end. causal_edits: token edits that are really run again for comparison; 0: none.
struct Explanation {
  std::string methods = "row,rollout,gradient-x-input,frozen";
  int64_t target = -1;
  std::string contrast = "auto";  // "auto": the runner-up; "none": the plain logit; else a token's text
  int causal_edits = 24;
  std::string estimator = "exact";  // of the row's core map; "key-dropping": delta rules without their erasing term
};

class LanguageModel {
 public:
  // A Hugging Face directory: config.json, model.safetensors (or shards), tokenizer.json. Empty: the built-in model.
  static LanguageModel load(const std::string& directory = {});

  std::vector<int32_t> encode(std::string_view text) const;
  std::string decode(const std::vector<int32_t>& tokens) const;
  std::string generate(std::string_view prompt, const Generation& options = {}) const;  // the continuation alone
  Score score(std::string_view text) const;                                             // any length, constant memory
  std::string explain(std::string_view text, const Explanation& options = {}) const;    // JSON, linear time
  int64_t parameters() const;

 private:
  struct Impl;
  explicit LanguageModel(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

const char* version();  // "0.1.0"

}  // namespace hindscan
