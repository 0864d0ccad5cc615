// The one way from a text to a model's tokens: running, training, judging and explaining read the same ids.
#pragma once
#include <string_view>
#include <vector>

#include "model/model.h"

namespace hindscan {

// What the tokenizer adds to the ends of a text (BOS, EOS) stands at the ends of the whole: a piece that continues
// after a state has no beginning, one whose state is kept has no end, and kInsideText names a token.
// Error(kData) for a token without a row in the model's embedding. Characters without a token go to `unknown`, or to
// the log without one.
std::vector<int32_t> encode_text(const Model& model, std::string_view text, TextPlace place = kWholeText,
                                 UnknownText* unknown = nullptr);

}  // namespace hindscan
