#include "train/source.h"

#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "model/encode_text.h"
#include "train/labelled_source.h"
#include "train/tasks.h"

namespace hindscan {

TextEncoder make_encoder(const Model& model) {
  const Tokenizer& tokenizer = model.tokenizer();
  TextEncoder encoder;
  struct Unknown {
    std::mutex mutex;
    UnknownText text;
  };
  const auto unknown = std::make_shared<Unknown>();
  encoder.encode = [&model, unknown](std::string_view text) {
    UnknownText found;
    std::vector<int32_t> ids = encode_text(model, text, kWholeText, &found);
    const std::lock_guard<std::mutex> lock(unknown->mutex);
    unknown->text.add(found);
    return ids;
  };
  encoder.take_unknown = [unknown] { return std::exchange(unknown->text, {}); };
  encoder.separator = tokenizer.token_to_id("<|endoftext|>");
  encoder.hash = xxh64(model.tokenizer_json());
  const std::vector<int32_t> ends = tokenizer.encode("");  // BOS and the like are part of every text
  if (!ends.empty())
    encoder.hash = xxh64({reinterpret_cast<const uint8_t*>(ends.data()), ends.size() * sizeof(int32_t)}, encoder.hash);
  return encoder;
}

static std::string cache_of(const TrainOptions& options) { return join_path(options.out, "cache"); }

std::unique_ptr<BatchSource> make_source(const TrainOptions& options, const Model& model, ProgressSink* progress) {
  if (options.labelled()) {
    LabelledSet set = load_labelled(training_files(options), model, options.length, progress);
    return std::make_unique<LabelledSource>(std::move(set), options, model.arch().sizes().vocab_size);
  }
  if (!options.task.empty()) return std::make_unique<TaskSource>(make_task(options.task), options);
  Corpus corpus = load_corpus(real_fs(), options.data, make_encoder(model), cache_of(options), progress);
  shuffle_documents(corpus, options.seed);
  return std::make_unique<TextSource>(std::move(corpus), options);
}

std::unique_ptr<BatchSource> make_resumed_source(const TrainOptions& options, const std::string& data_hash, bool given,
                                                 const Model& model, ProgressSink* progress) {
  if (given || !options.task.empty()) return make_source(options, model, progress);
  std::optional<Corpus> corpus = kept_corpus(real_fs(), data_hash, make_encoder(model).separator, cache_of(options));
  check(corpus.has_value(), ErrorCode::kUsage,
        "[{}] expected the tokens of the training text in its folder cache, found none; the run began with '{}', which "
        "is not opened unasked: name the data again",
        options.out, fmt::join(options.data, ","));
  shuffle_documents(*corpus, options.seed);
  return std::make_unique<TextSource>(std::move(*corpus), options);
}

}  // namespace hindscan
