#include "train/labelled.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include "base/counted.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/signals.h"
#include "model/predict.h"
#include "train/source.h"

namespace hindscan {
namespace {

template <class T>
std::span<const uint8_t> bytes_of(const std::vector<T>& v) {
  return {reinterpret_cast<const uint8_t*>(v.data()), v.size() * sizeof(T)};
}

void add_texts(const LabelledRows& rows, const Model& model, int64_t max_length, ProgressSink* progress,
               LabelledSet& out) {
  const std::vector<std::string_view> texts(rows.texts.begin(), rows.texts.end());
  std::vector<std::vector<int32_t>> ids = encode_texts(texts, make_encoder(model), progress);
  for (size_t i = 0; i < ids.size(); ++i) {
    check(!ids[i].empty(), ErrorCode::kData, "[{} line {}] expected a text, found none", rows.path, rows.lines[i]);
    out.shortened += std::ssize(ids[i]) > max_length;
    const auto n = std::min(std::ssize(ids[i]), static_cast<std::ptrdiff_t>(max_length));
    out.tokens.insert(out.tokens.end(), ids[i].begin(), ids[i].begin() + n);
    out.cu.push_back(std::ssize(out.tokens));
  }
}

void add_features(const LabelledFiles& files, const LabelledRows& rows, int64_t dim, int64_t max_length,
                  LabelledSet& out) {
  FeatureArray f = read_features(files.features_at.empty() ? files.features : files.features_at, files.features);
  check(f.count == std::ssize(rows.lines), ErrorCode::kData,
        "[{}] expected as many labels as there are sequences in {}, found {} and {}", files.labels, files.features,
        rows.lines.size(), f.count);
  check(f.dim == dim, ErrorCode::kData, "[{}] expected vectors of {}, found {}", files.features, counted(dim, "number"),
        f.dim);
  out.feature_dim = dim;
  const int64_t n = std::min(f.length, max_length);
  out.shortened = n < f.length ? f.count : 0;
  for (int64_t i = 0; i < f.count; ++i) {
    const auto begin = f.values.begin() + i * f.length * dim;
    out.features.insert(out.features.end(), begin, begin + n * dim);
    out.cu.push_back((i + 1) * n);
  }
}

void add_classes(const LabelledRows& rows, const Model& model, LabelledSet& out) {
  const std::vector<std::string> names = label_names(model);
  std::unordered_map<std::string, int32_t> ids;
  for (size_t i = 0; i < names.size(); ++i) ids.emplace(names[i], static_cast<int32_t>(i));
  for (size_t i = 0; i < rows.labels.size(); ++i) {
    const auto id = ids.find(rows.labels[i]);
    constexpr size_t kShown = 10;
    check(id != ids.end(), ErrorCode::kData, "[{} line {}] expected a label the model knows ({}{}), found \"{}\"",
          rows.path, rows.lines[i / static_cast<size_t>(rows.outputs)],
          fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, names.size())), ", "),
          names.size() > kShown ? ", ..." : "", rows.labels[i]);
    out.classes.push_back(id->second);
  }
}

void add_values(const LabelledRows& rows, LabelledSet& out) {
  for (size_t i = 0; i < rows.labels.size(); ++i) {
    const std::string& text = rows.labels[i];
    float v = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
    check(error == std::errc() && end == text.data() + text.size() && std::isfinite(v), ErrorCode::kData,
          "[{} line {}] expected a finite number as label, found \"{}\"", rows.path,
          rows.lines[i / static_cast<size_t>(rows.outputs)], text);
    out.values.push_back(v);
  }
}

// Sequences [first, last) of the set as an input of their own.
Input part_of(const LabelledSet& set, std::span<const int64_t> rows, std::vector<int32_t>& tokens,
              std::vector<float>& features) {
  Input input;
  input.cu_seqlens = {0};
  append_sequences(set, rows, tokens, features, input.cu_seqlens);
  input.tokens = tokens;
  input.features = features;
  input.feature_dim = set.feature_dim;
  return input;
}

struct Tally {
  RunningMean loss;
  int64_t right = 0;
};

// Adds the sequences' losses and hits; scores [rows, labels].
void judge(const LabelledSet& set, bool regression, std::span<const int64_t> rows, std::span<const float> scores,
           Tally& out) {
  const auto labels = static_cast<int64_t>(scores.size() / rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::span<const float> row = scores.subspan(i * static_cast<size_t>(labels), static_cast<size_t>(labels));
    if (regression) {
      double squares = 0;
      for (int64_t k = 0; k < labels; ++k) {
        const double gap = static_cast<double>(row[static_cast<size_t>(k)]) -
                           static_cast<double>(set.values[static_cast<size_t>(rows[i] * labels + k)]);
        squares += gap * gap;
      }
      out.loss.add(squares / static_cast<double>(labels));
    } else {
      const auto label = static_cast<size_t>(set.classes[static_cast<size_t>(rows[i])]);
      out.right += std::max_element(row.begin(), row.end()) - row.begin() == static_cast<std::ptrdiff_t>(label);
      out.loss.add(-std::log(probabilities(row)[label]));
    }
  }
}

LabelledScore score_of(const Tally& tally, bool regression) {
  LabelledScore out;
  out.regression = regression;
  out.examples = tally.loss.count();
  out.loss = tally.loss.mean();
  if (!regression) {
    out.accuracy = static_cast<double>(tally.right) / static_cast<double>(std::max<int64_t>(1, out.examples));
    out.interval = share_interval(tally.right, out.examples);
    return out;
  }
  out.rmse = std::sqrt(out.loss);
  if (const std::optional<Interval> squared = tally.loss.interval())
    out.interval = Interval{std::sqrt(std::max(0.0, squared->low)), std::sqrt(squared->high)};
  return out;
}

}  // namespace

uint64_t LabelledSet::hash() const {
  uint64_t h = xxh64(bytes_of(tokens), static_cast<uint64_t>(outputs));
  h = xxh64(bytes_of(features), h);
  h = xxh64(bytes_of(cu), h);
  h = xxh64(bytes_of(classes), h);
  return xxh64(bytes_of(values), h);
}

std::vector<std::string> label_names(const Model& model) {
  std::vector<std::string> names = classifier_options(model.arch().hf_config()).label_names;
  for (int64_t i = std::ssize(names); i < model.arch().sizes().labels; ++i) names.push_back(std::to_string(i));
  return names;
}

void append_sequences(const LabelledSet& set, std::span<const int64_t> rows, std::vector<int32_t>& tokens,
                      std::vector<float>& features, std::vector<int64_t>& cu) {
  for (const int64_t i : rows) {
    const int64_t begin = set.cu[static_cast<size_t>(i)], end = set.cu[static_cast<size_t>(i) + 1], F = set.feature_dim;
    if (F > 0)
      features.insert(features.end(), set.features.begin() + begin * F, set.features.begin() + end * F);
    else
      tokens.insert(tokens.end(), set.tokens.begin() + begin, set.tokens.begin() + end);
    cu.push_back(cu.back() + end - begin);
  }
}

LabelledSet load_labelled(const LabelledFiles& files, const Model& model, int64_t max_length, ProgressSink* progress) {
  const ArchitectureSizes sizes = model.arch().sizes();
  const std::string name = model.path().empty() ? "model" : model.path();
  check_kinds(files);
  check(sizes.labels > 0, ErrorCode::kData,
        "[{}] expected a classifier or regressor, found a language model; train one with the task classify", name);
  check((sizes.feature_dim > 0) == !files.features.empty(), ErrorCode::kData, "[{}] expected {}, found {}", name,
        sizes.feature_dim > 0 ? "feature vectors" : "texts", sizes.feature_dim > 0 ? "texts" : "feature vectors");
  LabelledFiles with_labels = files;
  if (!sizes.regression) with_labels.known_labels = label_names(model);
  const LabelledRows rows = read_labelled(with_labels);
  for (const std::string& note : rows.notes) log_info("{}", note);
  LabelledSet out;
  if (sizes.feature_dim > 0)
    add_features(files, rows, sizes.feature_dim, max_length, out);
  else
    add_texts(rows, model, max_length, progress, out);
  if (sizes.regression) {
    check(rows.outputs == sizes.labels, ErrorCode::kData, "[{}] expected {} a sequence, found {}", files.labels,
          counted(sizes.labels, "number"), rows.outputs);
    out.outputs = rows.outputs;
    add_values(rows, out);
  } else {
    check(rows.outputs == 1, ErrorCode::kData, "[{}] expected one label a sequence, found {}", files.labels,
          rows.outputs);
    add_classes(rows, model, out);
  }
  if (out.shortened > 0)
    log_info("{}: {} of {} {} cut at {}", files.labels, out.shortened, counted(out.size(), "sequence"),
             out.shortened == 1 ? "is" : "are", counted(max_length, "token"));
  return out;
}

LabelledScore evaluate_labelled(const Model& model, const LabelledSet& set, int64_t max_tokens,
                                ProgressSink* progress) {
  constexpr int64_t kTokensAtOnce = 4096;
  const int64_t stride = max_tokens <= 0 ? 1 : std::max<int64_t>(1, (set.length() + max_tokens - 1) / max_tokens);
  const bool regression = model.arch().sizes().regression;
  Tally tally;
  ProgressTask task(progress, "held-out score", "sequences", static_cast<uint64_t>(set.size()));
  for (int64_t i = 0; i < set.size();) {
    throw_if_stopped();
    std::vector<int64_t> rows;
    for (int64_t T = 0; i < set.size() && (rows.empty() || T < kTokensAtOnce); i += stride) {
      rows.push_back(i);
      T += set.cu[static_cast<size_t>(i) + 1] - set.cu[static_cast<size_t>(i)];
    }
    std::vector<int32_t> tokens;
    std::vector<float> features;
    judge(set, regression, rows, predict(model, part_of(set, rows, tokens, features)), tally);
    task.set(static_cast<uint64_t>(std::min(i, set.size())));
  }
  return score_of(tally, regression);
}

}  // namespace hindscan
