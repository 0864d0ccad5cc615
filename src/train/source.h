// What a run trains on, from its options: text files through the model's tokenizer, labelled sequences, or a generated
// task.
#pragma once
#include <memory>
#include <string>

#include "base/progress.h"
#include "model/model.h"
#include "train/data.h"

namespace hindscan {

void attach_tokenizer(Model& model, std::string json, const std::string& label);
TextEncoder make_encoder(const Model& model);
std::unique_ptr<BatchSource> make_source(const TrainOptions& options, const Model& model, ProgressSink* progress);

}  // namespace hindscan
