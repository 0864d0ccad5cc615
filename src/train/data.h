// Training data as token streams: text files -> one token array with separators -> windows of parallel streams.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fs.h"
#include "base/progress.h"
#include "io/unknown_text.h"
#include "train/options.h"

namespace hindscan {

// The tokenizer as the data needs it.
struct TextEncoder {
  std::function<std::vector<int32_t>(std::string_view)> encode;  // may be called from several threads
  int32_t separator = -1;                                        // id of "<|endoftext|>"
  uint64_t hash = 0;                                             // of the vocabulary
  std::function<UnknownText()> take_unknown = {};                // what had no token since the last call; may be empty
};

struct Corpus {
  std::vector<int32_t> tokens;  // documents, each followed by the separator
  int32_t separator = -1;
  uint64_t hash = 0;  // of the texts and the vocabulary
};

// Documents of a text: split at "<|endoftext|>" and the newline after it; empty ones dropped.
std::vector<std::string_view> split_documents(std::string_view text);

void log_unknown(const TextEncoder& encoder);

// Encodes the files, or reads <cache_dir>/tokens-<hash>.bin written by an earlier run with the same texts.
Corpus load_corpus(Fs& fs, const std::vector<std::string>& files, const TextEncoder& encoder,
                   const std::string& cache_dir, ProgressSink* progress);
// What load_corpus left in cache_dir for data of this hash (16 hexadecimal digits); nothing if it is not there.
std::optional<Corpus> kept_corpus(Fs& fs, const std::string& hash, int32_t separator, const std::string& cache_dir);
std::vector<std::vector<int32_t>> encode_texts(const std::vector<std::string_view>& texts, const TextEncoder& encoder,
                                               ProgressSink* progress);
void shuffle_documents(Corpus& corpus, uint64_t seed);

// Sequences of one micro-step, packed: sequence b is positions [b*length, (b+1)*length).
struct Batch {
  std::vector<int32_t> tokens;   // [B*L]
  std::vector<int32_t> targets;  // [B*L]
  std::vector<float> mask;       // [B*L], weight of each loss
  std::vector<uint8_t> resets;   // [B*L], the state is zero before this token
  std::vector<uint8_t> fresh;    // [B], drop the state the stream carries
  // Of labelled sequences, each from a state of zeros: targets [B] (classes) or values, and mask [B].
  std::vector<int64_t> cu_seqlens;  // [B+1], where each begins; empty: all are `length` long
  std::vector<float> features;      // [T, feature_dim] instead of tokens
  int64_t feature_dim = 0;
  std::vector<float> values;  // [B * outputs] of a regression
};

// A pure function of the step, so that the data cursor of a checkpoint is the step itself.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual Batch batch(int64_t step, int64_t micro) const = 0;
  virtual uint64_t hash() const = 0;               // identity of the data, checked on resume
  virtual int64_t vocab_size() const = 0;          // ids are below
  virtual bool labelled() const { return false; }  // one target a sequence
};

// Stream s walks its own contiguous part of the corpus, window by window, again and again; the windows of each epoch
// start at another offset.
class TextSource final : public BatchSource {
 public:
  TextSource(Corpus corpus, const TrainOptions& options);
  Batch batch(int64_t step, int64_t micro) const override;
  uint64_t hash() const override { return corpus_.hash; }
  int64_t vocab_size() const override { return vocab_; }
  int64_t windows() const { return windows_; }  // steps of one epoch

 private:
  int64_t start_of(int64_t stream, int64_t step) const;

  Corpus corpus_;
  int64_t sequences_, length_, region_, windows_, vocab_;
  uint64_t seed_;
  bool carry_;
  double forget_;
};

}  // namespace hindscan
