// Model = architecture + weights + tokenizer + config, as found in a Hugging Face directory or a single file.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arch/architecture.h"
#include "base/fs.h"
#include "core/context.h"
#include "io/tensor_store.h"
#include "io/tokenizer.h"
#include "model/generation.h"
#include "model/weights_hash.h"

namespace hindscan {

inline constexpr uint64_t kShardBytes = 5'000'000'000;  // as Hugging Face cuts them

struct LoadOptions {
  std::optional<DType> dtype;  // storage of matrices; default: as in the file (f64: the reference mode)
  std::string tokenizer =
      {};  // tokenizer.json or a vocabulary file (io/vocabulary_file.h); default: what lies with the model
};

class Model {
 public:
  // Fresh weights. Error(kData) if the config is not understood.
  static Model create(const Config& config, DType dtype, uint64_t seed);
  // Directory with config.json, model.safetensors or pytorch_model.bin (or index + shards) and, if there is one,
  // tokenizer.json; or one file: weights with a config.json beside them, or an RWKV model (.pth, .safetensors,
  // rwkv.cpp's .bin) whose sizes follow from its tensors; or kBuiltInModel. Error(kNotFound, kData, kIo); all
  // mismatches of names, shapes and types are listed in one message.
  static Model load(const std::string& path, const LoadOptions& options = {});
  // Writes config.json, model.safetensors (matrices as dtype; shards with an index above shard_bytes), and
  // tokenizer.json when there is one; each file atomically.
  void save(const std::string& directory, DType dtype, uint64_t shard_bytes = kShardBytes) const;

  Model to(DType dtype) const;  // a copy with other storage (kF64: for the reference mode)

  const Architecture& arch() const { return *arch_; }
  WeightTable& weights() {  // to be changed: what was known of their hash is forgotten
    hash_->forget();
    return weights_;
  }
  const WeightTable& weights() const { return weights_; }
  // weights_hash() of the table as it was loaded or last changed, computed at the first call.
  std::string weights_hash() const { return hash_->of(weights_); }
  const Config& config() const { return config_; }
  const GenerationAdvice& generation() const { return generation_; }
  const std::vector<std::string>& unknown_keys() const { return unknown_keys_; }  // of the configuration: not used
  bool has_tokenizer() const { return tokenizer_ != nullptr; }
  const Tokenizer& tokenizer() const;  // Error(kData) without one
  void set_tokenizer(std::shared_ptr<const Tokenizer> tokenizer, std::string json);
  void set_tokenizer(std::string json, const std::string& label);
  const std::string& tokenizer_json() const { return tokenizer_json_; }
  const std::string& tokenizer_problem() const { return tokenizer_problem_; }  // why there is none; or empty
  const std::string& path() const { return path_; }
  std::string name() const;  // the last part of the path, or of a run directory "runs/x/model": "x"
  // What a text starts from: empty but for models whose weights hold it.
  SequenceState initial_state() const;
  DType compute() const;  // kF64 for f64 weights, else kF32

  // Text -> ids; error for an id outside the vocabulary (Error(kUsage)).
  void check_tokens(std::span<const int32_t> tokens) const;

 private:
  static Model load_dir(const std::string& directory, const LoadOptions& options);
  static Model load_file(const std::string& path, const LoadOptions& options);
  static Model load_built_in(const LoadOptions& options);
  void find_tokenizer(const std::string& directory, bool single_file);
  void try_tokenizer(const std::string& directory, bool single_file);
  void say_foreign_tokenizer() const;
  void take_weights(TensorStore& files, const LoadOptions& options, const CheckedHash& checked = {});
  // Reads the architecture, and what the publisher says of generating.
  void configure(Config config, const std::optional<Config>& generation);
  Config config_;
  GenerationAdvice generation_;
  std::vector<std::string> unknown_keys_;
  std::unique_ptr<Architecture> arch_;
  WeightTable weights_;
  std::unique_ptr<KnownHash> hash_ = std::make_unique<KnownHash>();
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::string tokenizer_json_;
  std::string path_, tokenizer_problem_;
};

// First non-finite weight, as "name[index]", or empty.
std::string find_non_finite(const WeightTable& weights);

// What one of several sequences reads now, and the state it goes on from.
struct RunSequence {
  std::span<const int32_t> tokens;
  SequenceState* state;
};

// Error(kData) for a classifier or regressor, which gives one row a sequence, not one a token, and for vectors.
void require_language_model(const Model& model);

// Advances states over tokens in passes of at most `chunk` tokens; nothing is ever [T, vocab]. Several sequences of any
// lengths share the passes, each cut where it would be alone: in f64 all numbers are those of one after the other, to
// the last bit; in f32 products of more rows add up in another order.
class Runner {
 public:
  explicit Runner(const Model& model, int64_t chunk = 512) : model_(model), chunk_(chunk) {}
  void feed(std::span<const RunSequence> sequences);
  // Logits of the last token of each sequence, [sequences, vocab]; none may be empty.
  std::span<const float> step(std::span<const RunSequence> sequences);
  std::span<const float> step(std::span<const int32_t> tokens, SequenceState& state);
  // Log-probability (nats) of tokens[t] given the state and all tokens before it, t >= 1; log_probs[0] is NaN.
  void score(std::span<const RunSequence> sequences, std::span<const std::span<double>> log_probs);
  void score(std::span<const int32_t> tokens, SequenceState& state, std::span<double> log_probs);
  // Logits of every position, [T, vocab] of each sequence, handed out in blocks of rows.
  using BatchSink = std::function<void(size_t sequence, int64_t first, int64_t count, const float* rows)>;
  using Sink = std::function<void(int64_t first, int64_t count, const float* rows)>;
  void logits(std::span<const RunSequence> sequences, const BatchSink& sink);
  void logits(std::span<const int32_t> tokens, SequenceState& state, const Sink& sink);
  Tap tap;  // optional listener
  std::function<void(int64_t done)>
      on_chunk;  // optional, after each pass: tokens done of this call, of all sequences; may throw to stop

 private:
  struct Part {  // tokens [first, first + count) of a sequence, in the rows from `row` on of a pass
    size_t sequence;
    int64_t first, count, row;
  };
  template <class F>
  void passes(std::span<const RunSequence> sequences, F&& each);
  std::vector<Part> next_parts(std::span<const RunSequence> sequences, std::vector<int64_t>& done) const;
  Input input_of(std::span<const RunSequence> sequences, const std::vector<Part>& parts);
  const Model& model_;
  int64_t chunk_;
  PassRoom room_;
  std::vector<int32_t> tokens_;  // of a pass of several sequences
  std::vector<float> logits_;
};

// State files: a safetensors container with the model's hash. Error(kData) for another model's state.
void save_state(Fs& fs, const std::string& path, const SequenceState& state, const Model& model);
SequenceState load_state(const std::string& path, const Model& model);

// What is used when no model is named: $HINDSCAN_MODELS/english, or the one inside the program.
inline constexpr const char* kBuiltInModel = "built-in:english";
std::string default_model_directory();

}  // namespace hindscan
