// Tiny random models and brute-force matrices for the tests of explain/ and eval/.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/rng.h"
#include "base/testing/compare.h"
#include "explain/mixer_view.h"
#include "explain/report.h"

namespace hindscan {

struct TinyOptions {
  int64_t d_model = 6, n_layer = 3, vocab = 160, d_state = 4, dt_rank = 2;
  bool biases = true;
  uint64_t seed = 1;
};

// Every parameter random, steps between 0.01 and 1, so that no path is negligible.
inline Model tiny_model(DType dtype, const TinyOptions& o = {}) {
  Config c;
  c.set("d_model", o.d_model);
  c.set("n_layer", o.n_layer);
  c.set("vocab_size", o.vocab);
  c.set("pad_vocab_size_multiple", int64_t{1});
  c.set("ssm_cfg.d_state", o.d_state);
  c.set("ssm_cfg.dt_rank", o.dt_rank);
  c.set("ssm_cfg.bias", o.biases);
  c.set("ssm_cfg.conv_bias", o.biases);
  c.set("tie_embeddings", false);
  Model m = Model::create(c, DType::kF64, o.seed);
  Rng rng(o.seed, "tiny");
  for (size_t i = 0; i < m.weights().size(); ++i) {
    Weight& w = m.weights()[i];
    double* p = static_cast<double*>(w.data);
    const bool is_norm = w.init.kind == Init::Kind::kOnes;
    if (w.init.kind == Init::Kind::kLogArange || w.init.kind == Init::Kind::kInvSoftplusDt) {
      for (int64_t k = 0; k < w.size(); ++k) p[k] += 0.3 * rng.normal();
      continue;
    }
    const double scale = w.matrix || w.shape.size() == 3 ? 1.3 / std::sqrt(static_cast<double>(w.cols())) : 0.3;
    for (int64_t k = 0; k < w.size(); ++k) p[k] = (is_norm ? 1.0 : 0.0) + scale * rng.normal();
  }
  return dtype == DType::kF64 ? std::move(m) : m.to(dtype);
}

// Distinct tokens, so that each has its own embedding row.
inline std::vector<int32_t> distinct_tokens(int64_t T, uint64_t seed = 5) {
  std::vector<int32_t> all(160);
  std::iota(all.begin(), all.end(), 0);
  Rng rng(seed, "tokens");
  for (size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[rng.below(i)]);
  all.resize(static_cast<size_t>(T));
  return all;
}

inline ExplainRequest request_for(std::vector<int32_t> tokens, int64_t chunk = 2000) {
  ExplainRequest r;
  r.tokens = std::move(tokens);
  r.chunk = chunk;
  r.methods = parse_methods("row,rollout,gradient-x-input,frozen");
  return r;
}

// Value of the same target after other tokens, or by other weights.
inline double value_of(const Model& model, std::vector<int32_t> tokens, const TargetReport& like) {
  ExplainRequest r = request_for(std::move(tokens));
  r.methods = parse_methods("rollout");
  r.target_id = like.id;
  r.contrast = Contrast::kId;
  r.contrast_id = *like.contrast_id;
  return explain(model, r).target.value();
}

// A request that is wrong in itself, whatever the model; the message has the word.
inline void refused(const ExplainRequest& r, const std::string& word) {
  const Model model = tiny_model(DType::kF64);
  try {
    explain(model, r);
    FAIL() << word;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_NE(e.message().find(word), std::string::npos) << e.message();
  }
}

inline const MethodReport& method_of(const ExplainReport& report, const std::string& name) {
  for (const MethodReport& r : report.methods) {
    if (r.name == name) return r;
  }
  fail(ErrorCode::kInternal, "[test] no method {}", name);
}

inline SequenceState state_after(const Model& model, std::span<const int32_t> tokens) {
  SequenceState state;
  const RunSequence all{tokens, &state};
  Runner(model, std::ssize(tokens)).feed({&all, 1});  // in one pass
  return state;
}

// alpha[d][i][j] of one layer by the definition, in double.
inline std::vector<double> brute_alpha(const Ctx& ctx, const MixerView<double>& view) {
  const auto& detail = detail_as<ElementDetail<double>>(*ctx.nodes()[view.ops().core].mixer);
  const auto [T, D, N] = detail.dims;
  const auto& c = detail.coeffs;
  std::vector<double> out(static_cast<size_t>(D * T * T), 0.0);  // [D, T, T]
  for (int64_t d = 0; d < D; ++d) {
    for (int64_t j = 0; j < T; ++j) {
      double steps = 0;
      for (int64_t i = j; i < T; ++i) {
        if (i > j) steps += c.dt[i * D + d];
        double sum = 0;
        for (int64_t n = 0; n < N; ++n)
          sum += c.C[i * N + n] * std::exp(c.A[d * N + n] * steps) * c.dt[j * D + d] * c.B[j * N + n];
        out[static_cast<size_t>((d * T + i) * T + j)] = sum;
      }
    }
  }
  return out;
}

// The same with convolution, activation slope and gate folded in: y_gated = alpha_uni u + terms without u.
inline std::vector<double> brute_mixer(Ctx& ctx, const MixerView<double>& view) {
  const int64_t T = view.tokens(), D = view.maps();
  std::vector<double> alpha = brute_alpha(ctx, view), out(alpha.size(), 0.0);  // [D, T, T]
  const OpNode& act = ctx.nodes()[view.ops().activation];
  const Weight& w = *ctx.nodes()[view.ops().conv].weights[0];
  const double* gate = ctx.data<double>(ctx.nodes()[view.ops().gate].in[1]);
  const int64_t K = w.shape.back();
  for (int64_t d = 0; d < D; ++d) {
    for (int64_t i = 0; i < T; ++i) {
      for (int64_t k = 0; k <= i; ++k) {
        const double slope = 1 / (1 + std::exp(-ctx.data<double>(act.in[0])[k * D + d]));
        const double a = gate[i * D + d] * alpha[static_cast<size_t>((d * T + i) * T + k)] * slope;
        for (int64_t tap = 0; tap < K; ++tap) {
          const int64_t j = k - K + 1 + tap;
          if (j >= 0) out[static_cast<size_t>((d * T + i) * T + j)] += a * w.as<double>()[d * K + tap];
        }
      }
    }
  }
  return out;
}

// Channel mean of f(alpha), [T, T].
template <class F>
std::vector<double> channel_mean(const std::vector<double>& alpha, int64_t T, F&& f) {
  const int64_t D = static_cast<int64_t>(alpha.size()) / (T * T);
  std::vector<double> out(static_cast<size_t>(T * T), 0.0);
  for (size_t i = 0; i < alpha.size(); ++i) out[i % out.size()] += f(alpha[i]) / static_cast<double>(D);
  return out;
}

// One recorded pass in double.
struct Recorded {
  Recorded(const Model& model, const std::vector<int32_t>& tokens)
      : input(make_input(tokens)), ctx(input, options(model)), h(model.arch().forward(ctx)) {}
  Recorded(const Model& model, const ExplainRequest& r)
      : input(make_input(r.tokens, r.features, model.arch().sizes().feature_dim)),
        ctx(input, options(model)),
        h(model.arch().forward(ctx)) {}
  static Input make_input(const std::vector<int32_t>& tokens, const std::vector<float>& features, int64_t feature_dim) {
    Input in;
    in.tokens = tokens;
    in.features = features;
    in.feature_dim = feature_dim;
    return in;
  }
  static Input make_input(const std::vector<int32_t>& tokens) {
    Input in;
    in.tokens = tokens;
    return in;
  }
  static CtxOptions options(const Model& model) {
    CtxOptions o;
    o.record = true;
    o.compute = model.compute();
    return o;
  }
  Input input;
  Ctx ctx;
  Var h;
};

// Of gradient x input: what went through one of the paths, [L, T].
inline std::span<const float> path_of(const MethodReport& m, size_t path) {
  return m.find(std::string(mixer_path_name(static_cast<MixerPath>(path + 1))) + "-path", true)->layers();
}

// A layer that mixes tokens.
inline int mixer_layer(const Model& model, const ExplainRequest& r) {
  return Recorded(model, r).ctx.mixers().back().layer;
}

}  // namespace hindscan
