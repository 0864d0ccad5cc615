// Stacks of Elman RNN, GRU and LSTM layers as a word language model: encoder, recurrences, decoder. Names and gate
// orders of torch.nn.RNN, GRU and LSTM inside PyTorch's word_language_model example.
#include <cmath>

#include "arch/architecture.h"
#include "core/ops/embedding.h"
#include "core/ops/linear.h"
#include "core/ops/losses.h"
#include "core/ops/nonlinear_recurrence.h"

namespace hindscan {

namespace {

struct RnnLayer {
  Weight *W, *R, *W_bias = nullptr, *R_bias = nullptr;
};

class Rnn final : public Architecture {
 public:
  Rnn(const Config& c, Nonlinear::Kind kind, int64_t gates) : source_(c), kind_(kind), gates_(gates) {
    constexpr int64_t kMaxDim = int64_t{1} << 24;
    d_model_ = c.integer("hidden_size", 1, kMaxDim);
    n_layer_ = c.integer("num_hidden_layers", 0, 10000);
    vocab_size_ = c.integer("vocab_size", 1, kMaxDim);
    tie_ = c.flag("tie_word_embeddings", false);
    bias_ = c.flag("bias", true);
    check(!c.flag("bidirectional", false) && c.integer("proj_size", 0, kMaxDim, 0) == 0, ErrorCode::kData,
          "[{}] expected \"bidirectional\" false and \"proj_size\" 0, found another value", c.label());
  }

  void declare(WeightTable& t) override {
    const int64_t D = d_model_, rows = gates_ * D;
    const Init uniform = Init::uniform(1.0 / std::sqrt(static_cast<double>(D)));
    encoder_ = &t.add_matrix("encoder.weight", {vocab_size_, D}, Init::uniform(0.1));
    for (int64_t l = 0; l < n_layer_; ++l) {
      RnnLayer w;
      w.W = &t.add_matrix(fmt::format("rnn.weight_ih_l{}", l), {rows, D}, uniform);
      w.R = &t.add(fmt::format("rnn.weight_hh_l{}", l), {rows, D}, uniform);
      w.R->weight_decay = true;
      if (bias_) {
        w.W_bias = &t.add(fmt::format("rnn.bias_ih_l{}", l), {rows}, uniform);
        w.R_bias = &t.add(fmt::format("rnn.bias_hh_l{}", l), {rows}, uniform);
      }
      layers_.push_back(w);
    }
    decoder_ = encoder_;
    if (tie_)
      encoder_->aliases.push_back("decoder.weight");
    else
      decoder_ = &t.add_matrix("decoder.weight", {vocab_size_, D}, Init::uniform(0.1));
    decoder_bias_ = &t.add("decoder.bias", {vocab_size_}, Init::zeros());
  }

  Var forward(Ctx& ctx) const override {
    Var h = ops::embedding(ctx, *encoder_);  // [T, d_model]
    for (int64_t l = 0; l < n_layer_; ++l) {
      const RnnLayer& w = layers_[static_cast<size_t>(l)];
      h = ctx.block(static_cast<int>(l), h, [&](Ctx& c, Var x) {
        return c.mixer(x, [&](Ctx& m, Var u) {
          const Var gates = m.tap("v", ops::linear(m, *w.W, w.W_bias, u));        // [T, gates*d_model]
          return ops::nonlinear_recurrence(m, {kind_, 1, gates, w.R, w.R_bias});  // [T, d_model]
        });
      });
    }
    return h;
  }

  const Weight& head() const override { return *decoder_; }
  LogitHead logit_head() const override {
    LogitHead out(*decoder_);
    out.bias = decoder_bias_;
    return out;
  }
  Config hf_config() const override { return source_; }
  std::vector<KeyNote> unused_keys() const override {
    return {{"dropout", "acts in training only"}, {"batch_first", "says how Python lays out its arrays"}};
  }
  ArchitectureSizes sizes() const override {
    const int64_t numbers = kind_ == Nonlinear::Kind::kLstm ? 2 : 1;
    return {vocab_size_, d_model_, n_layer_, n_layer_, n_layer_ * numbers * d_model_};
  }
  int64_t flops_per_token() const override {
    return 2 * (n_layer_ * 2 * gates_ * d_model_ * d_model_ + vocab_size_ * d_model_);
  }

 private:
  Config source_;
  Nonlinear::Kind kind_;
  int64_t gates_, d_model_, n_layer_, vocab_size_;
  bool tie_, bias_;
  std::vector<RnnLayer> layers_;
  Weight *encoder_ = nullptr, *decoder_ = nullptr, *decoder_bias_ = nullptr;
};

Config stack_preset(const char* type, const PresetSizes& sizes) {
  Config c(fmt::format("preset {}", type));
  c.set("model_type", std::string(type));
  c.set("hidden_size", sizes.d_model);
  c.set("num_hidden_layers", sizes.n_layer);
  c.set("vocab_size", sizes.vocab_size);
  return c;
}

}  // namespace

std::unique_ptr<Architecture> make_rnn(const Config& c) {
  const std::string f = c.text("nonlinearity", "tanh");
  check(f == "tanh" || f == "relu", ErrorCode::kData, "[{}] expected \"nonlinearity\" tanh or relu, found \"{}\"",
        c.label(), f);
  return std::make_unique<Rnn>(c, f == "tanh" ? Nonlinear::Kind::kTanh : Nonlinear::Kind::kRelu, 1);
}
std::unique_ptr<Architecture> make_gru(const Config& c) { return std::make_unique<Rnn>(c, Nonlinear::Kind::kGru, 3); }
std::unique_ptr<Architecture> make_lstm(const Config& c) { return std::make_unique<Rnn>(c, Nonlinear::Kind::kLstm, 4); }

Config rnn_preset(const PresetSizes& sizes) { return stack_preset("rnn", sizes); }
Config gru_preset(const PresetSizes& sizes) { return stack_preset("gru", sizes); }
Config lstm_preset(const PresetSizes& sizes) { return stack_preset("lstm", sizes); }

}  // namespace hindscan
