// First byte: kind of file and options. The rest: labelled texts as columns, objects or an array, and vectors.
#include <cmath>

#include "fuzz_util.h"
#include "temp_folder.h"
#include "train/labelled.h"

using namespace hindscan;

namespace {

// As many labels as lines, and what they make of a model has names for all of them.
void check_rows(const LabelledFiles& files) {
  const LabelledRows rows = read_labelled(files);
  require(!rows.labels.empty() && rows.lines.size() * static_cast<size_t>(rows.outputs) == rows.labels.size());
  require(files.features.empty() ? rows.texts.size() == rows.labels.size() : rows.texts.empty());
  const ClassifierOptions options = label_options(rows, false, 0);
  require(options.regression ? options.num_labels == rows.outputs
                             : options.num_labels == std::ssize(options.label_names) && options.num_labels >= 2);
}

void check_features(const std::string& path) {
  const FeatureArray a = read_features(path);
  require(a.count * a.length * a.dim == std::ssize(a.values));
  for (const float v : a.values) require(std::isfinite(v));
}

// A file that does not show which column is the label is asked about.
template <class F>
void allow_question(F work) {
  allow_refusal([&] {
    try {
      work();
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kUsage) throw;
    }
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const TempFolder folder;
  if (size == 0) return 0;
  constexpr const char* kKinds[] = {"x.tsv", "x.csv", "x.jsonl", "x.npy"};
  const std::string path = folder.write(kKinds[data[0] & 3u], {data + 1, size - 1});
  LabelledFiles files;
  files.labels = path;
  files.label_column = data[0] >> 2 & 3u;
  if (path.ends_with(".npy")) files.features = path;
  allow_question([&] { check_rows(files); });
  if (path.ends_with(".npy")) allow_question([&] { check_features(path); });
  return 0;
}
