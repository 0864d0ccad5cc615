// Labelled sequences: texts of a TSV or JSONL file, or feature vectors of one npy file and their labels of another.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/interval.h"
#include "base/progress.h"
#include "core/classifier_config.h"
#include "model/model.h"
#include "train/options.h"

namespace hindscan {

struct LabelledFiles {
  std::string labels = {};    // .npy: labels of `features`; .jsonl or .ndjson: an object a line; .csv; else tabs
  std::string features = {};  // .npy [N, T, F], or [N, F]: sequences of one vector
  int64_t label_column = 0, text_column = 0;  // of a table, from 1; 0: found (columns.h)
  std::string header = "auto";                // whether the first row of a table names its columns: yes, no
  std::string text_field = "text", label_field = "label";  // of an object, or names in a header
  std::vector<std::string> known_labels = {};              // of the model, where there is one
  std::string labels_at = {}, features_at = {};            // copies that are read in their place
};
LabelledFiles training_files(const TrainOptions& options);
LabelledFiles held_out_files(const TrainOptions& options);

// A file as it was read.
struct LabelledRows {
  std::string path;
  std::vector<std::string> texts;   // [N]; none with features
  std::vector<std::string> labels;  // [N * outputs]
  std::vector<int64_t> lines;       // [N] where they stand, from 1
  int64_t outputs = 1;              // numbers a sequence, with labels of an npy [N, outputs]
  bool fractional = false;          // the labels are numbers with a fraction: a regression
  std::vector<std::string> notes;   // how the file was read
};
void check_kinds(const LabelledFiles&
                     files);  // Error(kUsage) unless an array of labels stands beside features, and nothing else does
LabelledRows read_labelled(const LabelledFiles& files);

struct FeatureArray {
  std::vector<float> values;  // [count, length, dim]
  int64_t count = 0, length = 1, dim = 0;
};
// float32, float64 or uint8; Error(kData) if not finite. name: what messages call it, if not its path.
FeatureArray read_features(const std::string& path, const std::string& name = "");

// What a model of these labels is; pooling is left as it is.
ClassifierOptions label_options(const LabelledRows& rows, bool regression, int64_t feature_dim);

// Sequences ready for a model, packed end to end.
struct LabelledSet {
  std::vector<int32_t> tokens;  // [T], or
  std::vector<float> features;  // [T, feature_dim]
  int64_t feature_dim = 0;
  std::vector<int64_t> cu = {0};  // [N+1]
  std::vector<int32_t> classes;   // [N], or
  std::vector<float> values;      // [N, outputs] of a regression
  int64_t outputs = 1;
  int64_t shortened = 0;  // sequences that were longer than allowed
  int64_t size() const { return std::ssize(cu) - 1; }
  int64_t length() const { return cu.back(); }
  uint64_t hash() const;
};

// Adds sequences `rows` of the set to tokens or features and to cu (which starts with 0).
void append_sequences(const LabelledSet& set, std::span<const int64_t> rows, std::vector<int32_t>& tokens,
                      std::vector<float>& features, std::vector<int64_t>& cu);

// Through the model's tokenizer and its labels; Error(kData) for a label it does not know. Sequences are cut at
// max_length.
LabelledSet load_labelled(const LabelledFiles& files, const Model& model, int64_t max_length, ProgressSink* progress);
std::vector<std::string> label_names(const Model& model);  // the numbers 0, 1, ... where the model has no names

struct LabelledScore {
  bool regression = false;
  double accuracy = 0, rmse = 0, loss = 0;  // loss: nats, or the mean squared error
  int64_t examples = 0;
  std::optional<Interval> interval;  // 95 % of the accuracy, or of the rmse
};
// max_tokens: every n-th sequence so that there are about so many tokens; 0: all. Throws Stopped.
LabelledScore evaluate_labelled(const Model& model, const LabelledSet& set, int64_t max_tokens, ProgressSink* progress);

}  // namespace hindscan
