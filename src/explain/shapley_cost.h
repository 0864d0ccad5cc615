// Which pieces of a text sampled Shapley values share the target among, and what it takes to read the texts for that.
#pragma once
#include <vector>

#include "explain/pieces.h"

namespace hindscan {

// Of the tokens that may be taken out. Error(kUsage) where there are none.
std::vector<Edit> shapley_pieces(const Model& model, const ExplainRequest& r, const TargetReport& target, PieceBy by);
// Every set of n pieces, where these are no more texts than pairs of orders have.
struct ShapleyTexts {
  int64_t count = 0;
  bool all = false;
};
ShapleyTexts shapley_texts(int64_t n, const MethodSpec& spec);
// Tokens to read in all; of a text whose target is not known yet, before which `end` tokens may be taken out.
double shapley_tokens(const Model& model, const ExplainRequest& r, int64_t end, const MethodSpec& spec);
// How many texts of an order share a pass; their states are there at once.
int64_t texts_of_an_order(int64_t tokens);
// Seconds of a token of such texts, measured.
double read_token_seconds(const Model& model, const ExplainRequest& r);

}  // namespace hindscan
