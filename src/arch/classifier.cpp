// score.weight [num_labels, d] (score.bias) of the pooled outputs of any family; feature vectors enter through
// feature_proj.weight [d, feature_dim] (feature_proj.bias) in place of the embedding. Token classifiers have the names
// of Hugging Face's
// ...ForSequenceClassification.
#include "arch/classifier.h"

#include <array>
#include <cmath>

#include "base/counted.h"
#include "core/ops/embedding.h"
#include "core/ops/linear.h"
#include "core/ops/losses.h"
#include "core/ops/pool.h"

namespace hindscan {

namespace {

constexpr std::array<const char*, 4> kPoolings = {"mean", "last", "first", "max"};  // in the order of Pool

Pool pool_of(const std::string& name, const Config& c) {
  for (size_t i = 0; i < kPoolings.size(); ++i) {
    if (name == kPoolings[i]) return static_cast<Pool>(i);
  }
  fail(ErrorCode::kData, "[{}] expected \"pooling\" to be one of {}, found \"{}\"", c.label(),
       fmt::join(kPoolings, ", "), name);
}

// The family underneath: its own settings, and with features a vocabulary that is not there.
Config base_config(const Config& c, bool features) {
  Config out = c;
  out.erase("pooling");
  if (features) out.set("vocab_size", int64_t{1});
  return out;
}

// A weight the network does not use stays declared without numbers: it is neither stored, loaded nor trained.
void leave_out(WeightTable& t, const Weight& weight) {
  Weight& w = t[static_cast<size_t>(weight.index)];
  for (const std::string& name : w.aliases) t.ignore(name);
  for (const std::string& name : w.transposed_aliases) t.ignore(name);
  for (const StoredView& view : w.views) t.ignore(view.name);
  t.ignore(w.name);
  w.shape[0] = 0;
  w.init = Init::zeros();
}

class Classifier final : public Architecture {
 public:
  explicit Classifier(const Config& c)
      : o_(classifier_options(c)),
        pool_(pool_of(o_.pooling, c)),
        base_(make_architecture(base_config(c, o_.feature_dim > 0))) {}

  void declare(WeightTable& t) override {
    const size_t first = t.size();
    base_->declare(t);
    const int64_t D = base_->sizes().d_model;
    const Weight& embedding = t[first];  // every family declares it first
    const LogitHead language_head = base_->logit_head();
    if (language_head.weight != &embedding) leave_out(t, *language_head.weight);
    if (language_head.bias != nullptr) leave_out(t, *language_head.bias);
    if (o_.feature_dim > 0) {
      leave_out(t, embedding);
      const Init uniform = Init::uniform(1 / std::sqrt(static_cast<double>(o_.feature_dim)));
      feature_proj_ = &t.add_matrix("feature_proj.weight", {D, o_.feature_dim}, uniform);
      if (o_.feature_bias) feature_bias_ = &t.add("feature_proj.bias", {D}, uniform);
    }
    score_ = &t.add_matrix("score.weight", {o_.num_labels, D}, Init::normal(0.02));
    if (o_.score_bias) score_bias_ = &t.add("score.bias", {o_.num_labels}, Init::zeros());
  }

  Var forward(Ctx& ctx) const override {
    if (feature_proj_ != nullptr) {
      const Var x = ops::features(ctx);  // [T, feature_dim]
      check(ctx.cols(x) == o_.feature_dim, ErrorCode::kUsage, "[features] expected vectors of {}, found {}",
            counted(o_.feature_dim, "number"), ctx.cols(x));
      ctx.set_embedding(ops::linear(ctx, *feature_proj_, feature_bias_, x));  // [T, d_model]
    }
    return ops::pool(ctx, pool_, base_->forward(ctx));  // [B, d_model]
  }

  const Weight& head() const override { return *score_; }
  LogitHead logit_head() const override {
    LogitHead head = *score_;
    head.bias = score_bias_;
    return head;
  }

  ArchitectureSizes sizes() const override {
    ArchitectureSizes s = base_->sizes();
    s.labels = o_.num_labels;
    s.feature_dim = o_.feature_dim;
    s.regression = o_.regression;
    return s;
  }

  Config hf_config() const override { return classifier_config(base_->hf_config(), o_); }
  std::vector<KeyNote> unused_keys() const override { return base_->unused_keys(); }

  int64_t flops_per_token() const override {
    const ArchitectureSizes s = base_->sizes();
    return base_->flops_per_token() + 2 * s.d_model * (o_.feature_dim - s.vocab_size);
  }

 private:
  ClassifierOptions o_;
  Pool pool_;
  std::unique_ptr<Architecture> base_;
  Weight *feature_proj_ = nullptr, *feature_bias_ = nullptr, *score_ = nullptr, *score_bias_ = nullptr;
};

}  // namespace

std::unique_ptr<Architecture> make_classifier(const Config& config) { return std::make_unique<Classifier>(config); }

}  // namespace hindscan
