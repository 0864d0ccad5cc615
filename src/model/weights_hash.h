// A hash over every byte of a model's tensors: tells models and damaged files apart; it is no security measure.
#pragma once
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/weights.h"
#include "io/tensor_store.h"

namespace hindscan {

class Model;

// "xxh64:..." over names, types, shapes and contents of every tensor in the order of the names, and nothing else (not
// the configuration, not the tokenizer): a model and what it was saved to agree; as another type it has another hash.
std::string weights_hash(const WeightTable& weights);
std::string weights_hash(const TensorStore& files);
// Over the configuration as well: what a carried state depends on.
std::string model_hash(const Model& model);

// A hash that files carry, once it is known to be that of what they hold, and the names it is over. Empty without one.
struct CheckedHash {
  std::string text;
  std::vector<std::string> names;
};
// Error(kData) when the files carry a hash and hold other weights.
CheckedHash check_weights_hash(const TensorStore& files);
// Whether the table holds what was checked byte for byte: nothing renamed, put in another order or converted.
bool is_as_checked(const WeightTable& weights, const TensorStore& files, const CheckedHash& checked);

// The hash of a table that is read at most once for it; from several threads at once if need be.
class KnownHash {
 public:
  std::string of(const WeightTable& weights);
  void set(std::string text);
  void forget();

 private:
  std::mutex mutex_;
  std::optional<std::string> text_;
};

// Metadata of a safetensors file that holds (part of) a model with this hash.
std::vector<std::pair<std::string, std::string>> model_metadata(const std::string& hash);

}  // namespace hindscan
