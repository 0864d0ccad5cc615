#include "cli/feature_input.h"

#include "base/counted.h"
#include "train/labelled.h"

namespace hindscan::cli {

void add_feature_input(CLI::App& app, FeatureInput& input) {
  CLI::Option* file = app.add_option("--features", input.file,
                                     "Vectors [N, tokens, numbers] instead of a text, .npy, for models that read them")
                          ->type_name("FILE");
  app.add_option("--sequence", input.sequence, "Which of the N, from 0")
      ->needs(file)
      ->check(at_least(0))
      ->capture_default_str();
}

void read_input(const Model& model, const CommandLine& line, const FeatureInput& input, TextPlace place,
                std::vector<int32_t>& tokens, std::vector<float>& features) {
  const int64_t dim = model.arch().sizes().feature_dim;
  check((dim > 0) == !input.file.empty(), ErrorCode::kUsage, "[{}] expected {}; the model reads {}", model.path(),
        dim > 0 ? "--features FILE.npy" : "a text, found --features",
        dim > 0 ? "vectors of " + counted(dim, "number") : "tokens");
  check(dim == 0 || line.prompts_given() == 0, ErrorCode::kUsage,
        "[{}] expected --features alone, found a text as well; the model reads vectors", model.path());
  if (dim == 0) {
    tokens = line.read_prompt(model, place).tokens;
    return;
  }
  const FeatureArray array = read_features(input.file);
  check(array.dim == dim, ErrorCode::kData, "[{}] expected vectors of {}, found {}", input.file, counted(dim, "number"),
        array.dim);
  check(input.sequence < array.count, ErrorCode::kUsage, "[--sequence] expected 0..{}, found {}", array.count - 1,
        input.sequence);
  const auto begin = array.values.begin() + input.sequence * array.length * dim;
  features.assign(begin, begin + array.length * dim);
}

}  // namespace hindscan::cli
