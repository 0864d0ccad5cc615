#include "train/new_model.h"

#include <cstring>

#include "base/error.h"
#include "io/tokenizer_companions.h"
#include "model/config_json.h"
#include "train/labelled.h"
#include "train/source.h"
#include "train/tasks.h"

namespace hindscan {
namespace {

// Tokenizer text of fresh weights and what to call it in messages; empty: none.
std::pair<std::string, std::string> new_tokenizer(const TrainOptions& o) {
  if (!o.tokenizer.empty()) return {read_tokenizer(o.tokenizer), o.tokenizer};
  if (!o.task.empty() && !o.labelled()) return {make_task(o.task)->tokenizer_json(), o.task};
  return {};
}

// The family's preset with as many tokens as the tokenizer has, rounded up to a multiple of 8.
Config preset_config(const TrainOptions& o, const std::string& tokenizer, const std::string& label) {
  int64_t vocab_size = 1;
  if (o.features.empty()) {
    check(!tokenizer.empty(), ErrorCode::kUsage, "[train] an arch expects a tokenizer{}, found neither",
          o.labelled() ? " (or features: vectors)" : " or a task");
    const auto tokens = static_cast<int64_t>(Tokenizer::from_json(tokenizer, label).vocab_size());
    vocab_size = (tokens + 7) / 8 * 8;
  }
  return architecture_preset(o.arch, {.d_model = o.d_model, .n_layer = o.n_layer, .vocab_size = vocab_size});
}

// The labels' classifier over a configuration, which may say how it pools.
Config labelled_config(const TrainOptions& o, Config base) {
  const int64_t dim = o.features.empty() ? 0 : read_features(o.features, o.given_name(o.features)).dim;
  ClassifierOptions c = label_options(read_labelled(training_files(o)), o.regression, dim);
  c.pooling = o.pooling.empty() ? base.text("pooling", c.pooling) : o.pooling;
  c.feature_bias = base.flag("feature_bias", true);
  c.score_bias = base.flag("score_bias", true);
  return classifier_config(std::move(base), c);
}

void take_weights(const WeightTable& from, WeightTable& to) {
  for (size_t i = 0; i < from.size(); ++i) {
    Weight* w = to.find(from[i].name);
    if (w == nullptr || w->shape != from[i].shape) continue;
    std::memcpy(w->data, from[i].data, static_cast<size_t>(w->size()) * dtype_size(w->dtype));
  }
}

// A language model loses its head and gets a new one; a classifier of the same labels goes on.
Model labelled_model(const TrainOptions& o, Model base) {
  const ArchitectureSizes sizes = base.arch().sizes();
  if (sizes.labels > 0) {
    check(o.pooling.empty() || o.pooling == classifier_options(base.arch().hf_config()).pooling, ErrorCode::kUsage,
          "[train] expected the pooling of {}, {}, found {}; leave the pooling out", o.model,
          classifier_options(base.arch().hf_config()).pooling, o.pooling);
    return base;
  }
  check(o.features.empty(), ErrorCode::kUsage,
        "[{}] expected a model of feature vectors, found a language model; begin with a config or an arch", o.model);
  Model model = Model::create(labelled_config(o, base.arch().hf_config()), DType::kF32, o.seed);
  take_weights(base.weights(), model.weights());
  if (base.has_tokenizer()) model.set_tokenizer(base.tokenizer_json(), join_path(o.model, "tokenizer.json"));
  return model;
}

}  // namespace

Model new_model(const TrainOptions& o) {
  if (o.labelled()) check_kinds(training_files(o));
  if (!o.model.empty()) {
    Model model = Model::load(o.model, {.dtype = DType::kF32});
    return o.labelled() ? labelled_model(o, std::move(model)) : std::move(model);
  }
  auto [tokenizer, label] = new_tokenizer(o);
  Config config = o.arch.empty() ? load_config(o.config) : preset_config(o, tokenizer, label);
  if (o.labelled()) config = labelled_config(o, std::move(config));
  Model model = Model::create(config, DType::kF32, o.seed);
  if (!tokenizer.empty()) model.set_tokenizer(std::move(tokenizer), label);
  return model;
}

}  // namespace hindscan
