// A hash over every byte of a model's tensors: tells models and damaged files apart; it is no security measure.
#pragma once
#include <string>

#include "core/weights.h"
#include "io/tensor_store.h"

namespace hindscan {

class Model;

// "xxh64:..." over names, types, shapes and contents, in the order of the names: a model and what it was saved to
// agree.
std::string weights_hash(const WeightTable& weights);
std::string weights_hash(const TensorStore& files);
// Over the configuration as well: what a carried state depends on.
std::string model_hash(const Model& model);

// Error(kData) when the files carry a hash and hold other weights.
void check_weights_hash(const TensorStore& files);

// Metadata of a safetensors file that holds (part of) a model with this hash.
std::vector<std::pair<std::string, std::string>> model_metadata(const std::string& hash);

}  // namespace hindscan
