// xLSTM (arXiv 2405.04517, 2503.13427): mLSTM layers, a matrix memory with exponential input gate and a normaliser, and
// gated feed-forward layers; layers named in "slstm_at" hold an sLSTM instead, whose gates read its own output. Names
// of NX-AI/xLSTM-7b in Hugging Face; the sLSTM's names are ours.
#include <cmath>

#include "arch/architecture.h"
#include "base/counted.h"
#include "core/ops/activation.h"
#include "core/ops/arrange.h"
#include "core/ops/decay.h"
#include "core/ops/embedding.h"
#include "core/ops/gate.h"
#include "core/ops/glr.h"
#include "core/ops/linear.h"
#include "core/ops/losses.h"
#include "core/ops/nonlinear_recurrence.h"
#include "core/ops/norm.h"
#include "nn/parts.h"

namespace hindscan {

namespace {

struct XlstmConfig {
  int64_t d_model, n_layer, vocab_size, heads, qk_dim, v_dim, d_ffn;
  double norm_eps, eps, gate_cap, logit_cap;  // caps: 0: none
  bool tie_embeddings;
  std::vector<bool> slstm;  // [n_layer]
};

struct XlstmLayer {
  Weight *norm, *norm_ffn, *head_norm, *out;
  Weight *q = nullptr, *k = nullptr, *v = nullptr, *o = nullptr, *i = nullptr, *i_bias = nullptr, *f = nullptr,
         *f_bias = nullptr;                                      // mLSTM
  Weight *gates = nullptr, *gates_bias = nullptr, *R = nullptr;  // sLSTM
  nn::GatedMlp ffn;
};

class Xlstm final : public Architecture {
 public:
  Xlstm(const Config& source, XlstmConfig c) : source_(source), c_(std::move(c)) {}

  void declare(WeightTable& t) override {
    embeddings_ = &t.add_matrix("backbone.embeddings.weight", {c_.vocab_size, c_.d_model}, small());
    for (int64_t l = 0; l < c_.n_layer; ++l)
      layers_.push_back(declare_layer(t, fmt::format("backbone.blocks.{}.", l), l));
    out_norm_ = &t.add("backbone.out_norm.weight", {c_.d_model}, Init::ones());
    head_ = embeddings_;
    if (c_.tie_embeddings)
      embeddings_->aliases.push_back("lm_head.weight");
    else
      head_ = &t.add_matrix("lm_head.weight", {c_.vocab_size, c_.d_model}, small());
  }

  Var forward(Ctx& ctx) const override {
    Var h = ops::embedding(ctx, *embeddings_);  // [T, d_model]
    for (int64_t l = 0; l < c_.n_layer; ++l) {
      const XlstmLayer& w = layers_[static_cast<size_t>(l)];
      const bool slstm = c_.slstm[static_cast<size_t>(l)];
      h = ctx.block(static_cast<int>(l), h, [&, slstm](Ctx& c, Var x) {
        const Var u = ops::rmsnorm(c, w.norm, x, c_.norm_eps);         // [T, d_model]
        const Var y = ops::add(c, x, c.mixer(u, [&](Ctx& m, Var in) {  // [T, d_model]
          return slstm ? mix_slstm(m, w, in) : mix_mlstm(m, w, in);
        }));
        return ops::add(c, y, nn::gated_mlp(c, w.ffn, ops::rmsnorm(c, w.norm_ffn, y, c_.norm_eps)));  // [T, d_model]
      });
    }
    return ops::rmsnorm(ctx, out_norm_, h, c_.norm_eps);  // [T, d_model]
  }

  const Weight& head() const override { return *head_; }
  LogitHead logit_head() const override {
    LogitHead out(*head_);
    out.soft_cap = c_.logit_cap;
    return out;
  }
  Config hf_config() const override { return source_; }
  std::vector<KeyNote> unused_keys() const override {
    std::vector<KeyNote> out = {{"add_out_norm", "transformers keeps the norm either way"},
                                {"return_last_states", "the state is always carried"},
                                {"norm_reduction_force_float32", "everything here is float32"},
                                {"autocast_kernel_dtype", "everything here is float32"},
                                {"inference_state_dtype", "everything here is float32"}};
    for (const char* key :
         {"chunkwise_kernel", "sequence_kernel", "step_kernel", "mode", "chunk_size", "max_inference_chunksize"})
      out.push_back({key, "chooses between kernels that compute the same"});
    return out;
  }

  ArchitectureSizes sizes() const override {
    ArchitectureSizes s{c_.vocab_size, c_.d_model, c_.n_layer};
    for (const bool slstm : c_.slstm) {
      s.attention_maps += slstm ? c_.d_model : c_.heads;
      s.state_numbers += slstm ? 4 * c_.d_model : c_.qk_dim / c_.heads * (c_.v_dim + c_.heads) + c_.heads;
    }
    return s;
  }

  int64_t flops_per_token() const override {
    const int64_t D = c_.d_model;
    int64_t adds = c_.vocab_size * D;
    for (const bool slstm : c_.slstm) {
      adds += slstm ? 5 * D * D + 4 * D * D / c_.heads
                    : D * (2 * c_.qk_dim + 3 * c_.v_dim + 2 * c_.heads) + 3 * c_.qk_dim / c_.heads * c_.v_dim;
      adds += 3 * D * c_.d_ffn;
    }
    return 2 * adds;
  }

 private:
  Init small() const { return Init::normal(std::sqrt(2.0 / (5.0 * static_cast<double>(c_.d_model)))); }
  Init wang() const {
    return Init::normal(2.0 / static_cast<double>(std::max<int64_t>(1, c_.n_layer)) /
                        std::sqrt(static_cast<double>(c_.d_model)));
  }

  // Forget biases 3 .. 6 over the heads (or over the channels of each head).
  static Init forget_init(double low, double high) {
    return Init::custom([=](std::span<double> out, const std::vector<int64_t>&, Rng&) {
      for (size_t i = 0; i < out.size(); ++i)
        out[i] = low + (high - low) * static_cast<double>(i) / static_cast<double>(std::max<size_t>(1, out.size() - 1));
    });
  }

  // Gate order i f z o; forget gates open.
  Init gates_bias_init() const {
    const int64_t D = c_.d_model;
    return Init::custom([D](std::span<double> out, const std::vector<int64_t>&, Rng&) {
      for (int64_t i = 0; i < D; ++i) {
        out[static_cast<size_t>(i)] = 0;
        out[static_cast<size_t>(D + i)] =
            3 + 3 * static_cast<double>(i) / static_cast<double>(std::max<int64_t>(1, D - 1));
      }
    });
  }

  XlstmLayer declare_layer(WeightTable& t, const std::string& p, int64_t layer) const {
    const int64_t D = c_.d_model;
    const bool slstm = c_.slstm[static_cast<size_t>(layer)];
    XlstmLayer w{};
    w.norm = &t.add(p + (slstm ? "norm_slstm.weight" : "norm_mlstm.weight"), {D}, Init::ones());
    if (slstm)
      declare_slstm(t, p + "slstm_layer.", w);
    else
      declare_mlstm(t, p + "mlstm_layer.", w);
    w.norm_ffn = &t.add(p + "norm_ffn.weight", {D}, Init::ones());
    w.ffn.gate = &t.add_matrix(p + "ffn.proj_up_gate.weight", {c_.d_ffn, D}, small());
    w.ffn.up = &t.add_matrix(p + "ffn.proj_up.weight", {c_.d_ffn, D}, small());
    w.ffn.down = &t.add_matrix(p + "ffn.proj_down.weight", {D, c_.d_ffn}, wang());
    return w;
  }

  void declare_mlstm(WeightTable& t, const std::string& p, XlstmLayer& w) const {
    const int64_t D = c_.d_model, H = c_.heads;
    w.q = &t.add_matrix(p + "q.weight", {c_.qk_dim, D}, small());
    w.k = &t.add_matrix(p + "k.weight", {c_.qk_dim, D}, small());
    w.v = &t.add_matrix(p + "v.weight", {c_.v_dim, D}, small());
    w.o = &t.add_matrix(p + "ogate_preact.weight", {c_.v_dim, D}, small());
    w.i = &t.add_matrix(p + "igate_preact.weight", {H, D}, Init::zeros());
    w.i_bias = &t.add(p + "igate_preact.bias", {H}, Init::constant(-10));
    w.f = &t.add_matrix(p + "fgate_preact.weight", {H, D}, Init::zeros());
    w.f_bias = &t.add(p + "fgate_preact.bias", {H}, forget_init(3, 6));
    w.head_norm = &t.add(p + "multihead_norm.weight", {c_.v_dim}, Init::ones());
    w.out = &t.add_matrix(p + "out_proj.weight", {D, c_.v_dim}, wang());
  }

  void declare_slstm(WeightTable& t, const std::string& p, XlstmLayer& w) const {
    const int64_t D = c_.d_model;
    w.gates = &t.add_matrix(p + "gates.weight", {4 * D, D}, small());
    w.gates_bias = &t.add(p + "gates.bias", {4 * D}, gates_bias_init());
    w.R = &t.add(p + "recurrent_kernel", {4 * D, D / c_.heads}, Init::zeros());
    w.head_norm = &t.add(p + "multihead_norm.weight", {D}, Init::ones());
    w.out = &t.add_matrix(p + "out_proj.weight", {D, D}, wang());
  }

  Var head_norm(Ctx& c, const Weight* w, Var y) const {
    NormOptions norm{NormOptions::Kind::kLayer, c_.norm_eps, c_.heads};
    return ops::norm(c, norm, w, nullptr, y);
  }

  Var mix_mlstm(Ctx& c, const XlstmLayer& w, Var u) const {
    const int64_t K = c_.qk_dim / c_.heads;
    const auto project = [&](const char* name, const Weight& weight) {
      return c.tap(name, ops::linear(c, weight, nullptr, u));
    };
    GlrMlstm in{c_.heads, K,     c_.v_dim / c_.heads, project("q", *w.q), project("k", *w.k), project("v", *w.v),
                kNoVar,   kNoVar};
    const auto capped = [&](Var x) { return c_.gate_cap > 0 ? ops::soft_cap(c, c_.gate_cap, x) : x; };
    in.i = c.tap("i", capped(ops::linear(c, *w.i, w.i_bias, u)));  // [T, H]
    in.f = c.tap(
        "f", ops::decay_map(c, DecayMap::kLogSigmoid, capped(ops::linear(c, *w.f, w.f_bias, u)), nullptr));  // [T, H]
    in.scale = 1 / std::sqrt(static_cast<double>(K));
    in.eps = c_.eps;
    const Var o = ops::activation(c, kernels::Act::kSigmoid, ops::linear(c, *w.o, nullptr, u));  // [T, H*V]
    return ops::linear(c, *w.out, nullptr,
                       ops::gate(c, head_norm(c, w.head_norm, ops::glr(c, in)), o));  // [T, d_model]
  }

  Var mix_slstm(Ctx& c, const XlstmLayer& w, Var u) const {
    const Var x = c.tap("v", ops::linear(c, *w.gates, w.gates_bias, u));  // [T, 4 D]
    const Nonlinear in{.kind = Nonlinear::Kind::kSlstm, .heads = c_.heads, .x = x, .R = w.R, .r_bias = nullptr};
    return ops::linear(c, *w.out, nullptr,
                       head_norm(c, w.head_norm, ops::nonlinear_recurrence(c, in)));  // [T, d_model]
  }

  Config source_;
  XlstmConfig c_;
  std::vector<XlstmLayer> layers_;
  Weight *embeddings_ = nullptr, *out_norm_ = nullptr, *head_ = nullptr;
};

// As transformers does it: what is left of x after the point never reaches the next multiple (768 * 2.667 gives 2048).
int64_t round_up(double x, int64_t multiple) {
  const double m = static_cast<double>(multiple);
  return static_cast<int64_t>(std::floor((x + m - 1) / m)) * multiple;
}

// A size that xlstm's own configurations and Hugging Face's call differently.
int64_t two_names(const Config& c, const char* key, const char* other, int64_t low, int64_t high, int64_t fallback) {
  const int64_t value = c.integer(key, low, high, c.integer(other, low, high, fallback));
  check(c.integer(other, low, high, value) == value, ErrorCode::kData, "[{}] expected \"{}\" {} as \"{}\", found {}",
        c.label(), other, value, key, c.integer(other, low, high, value));
  return value;
}

// 0: none, which is what null says.
double cap(const Config& c, const char* key, double fallback) {
  const double given = c.real(key, 1e-6, 1e30, fallback);
  return c.is_null(key) ? 0 : given;
}

XlstmConfig read_xlstm(const Config& c) {
  constexpr int64_t kMaxDim = int64_t{1} << 24;
  XlstmConfig x;
  x.d_model = two_names(c, "hidden_size", "embedding_dim", 1, kMaxDim, 4096);
  x.n_layer = two_names(c, "num_hidden_layers", "num_blocks", 0, 10000, 32);
  x.vocab_size = c.integer("vocab_size", 1, kMaxDim, 50304);
  x.heads = c.integer("num_heads", 1, 65536, 8);
  x.qk_dim = c.share("qk_dim_factor", x.d_model, 0.5, 1, kMaxDim);
  x.v_dim = c.share("v_dim_factor", x.d_model, 1, 1, kMaxDim);
  x.d_ffn = round_up(static_cast<double>(x.d_model) * c.real("ffn_proj_factor", 1e-3, 1024, 2.667),
                     c.integer("ffn_round_up_to_multiple_of", 1, 65536, 64));
  x.norm_eps = c.real("norm_eps", 0, 1, 1e-6);
  x.eps = c.real("eps", 0, 1, 1e-6);
  x.gate_cap = cap(c, "gate_soft_cap", 15);
  x.logit_cap = cap(c, "output_logit_soft_cap", 30);
  x.tie_embeddings = c.flag("tie_word_embeddings", false);
  c.flag("add_out_norm", true);  // false keeps the norm in transformers too: it never asks
  x.slstm.assign(static_cast<size_t>(x.n_layer), false);
  for (const int64_t l : c.integers("slstm_at", 0, 10000)) {
    check(l < x.n_layer, ErrorCode::kData, "[{}] expected \"slstm_at\" layers below {}, found {}", c.label(), x.n_layer,
          l);
    x.slstm[static_cast<size_t>(l)] = true;
  }
  check(x.qk_dim % x.heads == 0 && x.v_dim % x.heads == 0 && x.d_model % x.heads == 0 && x.qk_dim > 0, ErrorCode::kData,
        "[{}] expected {} to divide the query and value sizes {} and {}", c.label(), counted(x.heads, "head"), x.qk_dim,
        x.v_dim);
  check(c.text("weight_mode", "single") == "single" && !c.flag("use_bias", false), ErrorCode::kData,
        "[{}] expected \"weight_mode\" single and \"use_bias\" false, found {} and {}", c.label(),
        c.text("weight_mode", "single"), c.flag("use_bias", false));
  return x;
}

}  // namespace

std::unique_ptr<Architecture> make_xlstm(const Config& c) { return std::make_unique<Xlstm>(c, read_xlstm(c)); }

Config xlstm_preset(const PresetSizes& sizes) {
  Config c("preset xlstm");
  c.set("model_type", std::string("xlstm"));
  c.set("hidden_size", sizes.d_model);
  c.set("num_hidden_layers", sizes.n_layer);
  c.set("vocab_size", sizes.vocab_size);
  c.set("num_heads", std::max<int64_t>(1, sizes.d_model / 64));
  c.set("ffn_round_up_to_multiple_of", int64_t{32});
  return c;
}

}  // namespace hindscan
