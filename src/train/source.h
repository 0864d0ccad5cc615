// What a run trains on, from its options: text files through the model's tokenizer, labelled sequences, or a generated
// task.
#pragma once
#include <memory>
#include <string>

#include "base/progress.h"
#include "model/model.h"
#include "train/data.h"

namespace hindscan {

TextEncoder make_encoder(const Model& model);
// Of a resumed run: its texts only if they are given again, else the tokens that its first part left in the directory.
std::unique_ptr<BatchSource> make_resumed_source(const TrainOptions& options, const std::string& data_hash, bool given,
                                                 const Model& model, ProgressSink* progress);
std::unique_ptr<BatchSource> make_source(const TrainOptions& options, const Model& model, ProgressSink* progress);

}  // namespace hindscan
