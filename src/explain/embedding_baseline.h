// What stands in the place of a text's embeddings where a method asks how the target comes about from "nothing".
#pragma once
#include <span>
#include <string>
#include <vector>

#include "explain/reverse_method.h"

namespace hindscan {

template <class R>
class EmbeddingBaseline {
 public:
  // kind: "mean" of the whole table, "zero", or "plausible": tokens as the model itself would have written them, other
  // than those of the text. asked_for: where a mean cannot be had, zero stands in for one that was not.
  EmbeddingBaseline(std::string kind, bool asked_for) : kind_(std::move(kind)), asked_for_(asked_for) {}

  // From the first chunk of the way forward. Error(kUsage) for a model that has no such baseline.
  void find(const Ctx& ctx);
  // The tokens of `texts` plausible ones; of the other kinds nothing is drawn. Error(kUsage) for a model that expects
  // no tokens.
  void draw(const Model& model, const ExplainRequest& request, int64_t tokens, size_t texts);

  // [d_model] in the place of a token; text: which of those drawn.
  std::span<const double> row(size_t text, int64_t token) const;
  std::string note() const;  // what people should know of it; empty: nothing

 private:
  std::string kind_;
  bool asked_for_;
  bool for_want_of_a_mean_ = false;
  const Weight* table_ = nullptr;
  std::vector<double> same_;                 // [d_model] of every token
  std::vector<std::vector<int32_t>> texts_;  // [texts, T]
  mutable std::vector<double> row_;          // [d_model] of the token that was asked for last
};

}  // namespace hindscan
