#include "explain/embedding_baseline.h"

#include "explain/plausible_tokens.h"
#include "explain/removals.h"
#include "explain/target.h"

namespace hindscan {

template <class R>
void EmbeddingBaseline<R>::find(const Ctx& ctx) {
  table_ = embedding_table(ctx);
  check(
      table_ != nullptr || kind_ == "zero" || !asked_for_, ErrorCode::kUsage,
      "[explain] expected a model that reads tokens for a baseline of others, found one that reads vectors and has no "
      "table of them; baseline=zero needs none");
  same_.assign(static_cast<size_t>(ctx.cols(embedding_of(ctx))), 0.0);
  for_want_of_a_mean_ = table_ == nullptr && kind_ != "zero";
  if (kind_ != "mean" || table_ == nullptr) return;
  for (int64_t id = 0; id < table_->rows(); ++id) {
    const std::vector<double> row = weight_row(*table_, id);  // [d_model]
    for (size_t c = 0; c < row.size(); ++c) same_[c] += row[c] / static_cast<double>(table_->rows());
  }
}

template <class R>
void EmbeddingBaseline<R>::draw(const Model& model, const ExplainRequest& request, int64_t tokens, size_t texts) {
  if (kind_ != "plausible") return;
  Rng rng(request.seed, "baseline");
  const auto read = std::span(request.tokens).first(static_cast<size_t>(tokens));
  texts_ = plausible_texts(model, read, request.state_in, set_in_front(model, read), texts, rng);
}

template <class R>
std::span<const double> EmbeddingBaseline<R>::row(size_t text, int64_t token) const {
  if (texts_.empty()) return same_;
  row_ = weight_row(*table_, texts_[text][static_cast<size_t>(token)]);
  return row_;
}

template <class R>
std::string EmbeddingBaseline<R>::note() const {
  if (for_want_of_a_mean_) return "zero: vectors have no table to take a mean of";
  if (kind_ == "zero") return "zero: where a norm reads the embeddings, the way to it is steep and says little";
  return kind_ == "plausible" ? "tokens as the model itself would have written them, each drawn on its own" : "";
}

template class EmbeddingBaseline<float>;
template class EmbeddingBaseline<double>;

}  // namespace hindscan
