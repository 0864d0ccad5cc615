// The methods of arXiv 2403.01590 and 2405.16504 on a small Mamba, against their equations and against what their
// released code computes, both written out on whole matrices.
#include <gtest/gtest.h>

#include <functional>

#include "explain/reverse_method.h"
#include "explain/target.h"
#include "explain/test_support.h"

namespace hindscan {
namespace {

constexpr int64_t kT = 9, kLayers = 3;

using Matrix = std::vector<double>;  // [T, T]

class Papers : public ::testing::Test {
 protected:
  Papers() : model(tiny_model(DType::kF64)), tokens(distinct_tokens(kT)), recorded(model, tokens) {
    views = mixer_views<double>(recorded.ctx);
    for (const auto& view : views) {
      core.push_back(brute_alpha(recorded.ctx, *view));
      unified.push_back(brute_mixer(recorded.ctx, *view));
    }
  }

  MethodReport scores_of(const std::string& method, int64_t chunk = 2000) const {
    ExplainRequest r = request_for(tokens, chunk);
    r.methods = parse_methods(method);
    return explain(model, r).methods[0];
  }
  const std::vector<double>& alpha(bool unify, size_t l) const { return unify ? unified[l] : core[l]; }  // [D, T, T]

  // Last row of each channel, [D, T]; of the core without the last token's own decay and write, as released.
  std::vector<double> rows(bool unify, size_t l) const {
    std::vector<double> out;
    if (!unify) {
      const auto& detail = detail_as<ElementDetail<double>>(*recorded.ctx.nodes()[views[l]->ops().core].mixer);
      const auto& c = detail.coeffs;
      const int64_t D = detail.dims.D, N = detail.dims.N;
      for (int64_t d = 0; d < D; ++d) {
        for (int64_t j = 0; j < kT; ++j) {
          double steps = 0, sum = 0;
          for (int64_t k = j + 1; k + 1 < kT; ++k) steps += c.dt[k * D + d];
          for (int64_t n = 0; n < N && j + 1 < kT; ++n)
            sum += c.C[(kT - 1) * N + n] * std::exp(c.A[d * N + n] * steps) * c.dt[j * D + d] * c.B[j * N + n];
          out.push_back(sum);
        }
      }
      return out;
    }
    const std::vector<double>& a = alpha(unify, l);
    for (size_t at = kT * kT - kT; at < a.size(); at += kT * kT)
      out.insert(out.end(), a.begin() + static_cast<std::ptrdiff_t>(at),
                 a.begin() + static_cast<std::ptrdiff_t>(at) + kT);
    return out;
  }

  // Derivatives of the target by what a layer adds to the stream, [T, d_model], by differences.
  std::vector<double> stream_gradient(size_t l) const {
    const TargetReport target = explain(model, request_for(tokens)).target;
    const int64_t C = model.arch().sizes().d_model;
    std::vector<double> out;
    for (int64_t i = 0; i < kT * C; ++i) {
      constexpr double kStep = 1e-4;
      const auto at = [&](double more) {
        CtxOptions options = Recorded::options(model);
        options.tap = [&](const TapView& v) {
          if (v.name == fmt::format("blocks.{}.mixer.out", l)) static_cast<double*>(v.data)[i] += more;
        };
        const Input input = Recorded::make_input(tokens);
        Ctx ctx(input, std::move(options));
        const double* h = ctx.data<double>(model.arch().forward(ctx));  // [T, d_model]
        return target_value(model, target, {h + (kT - 1) * C, static_cast<size_t>(C)});
      };
      out.push_back((at(kStep) - at(-kStep)) / (2 * kStep));
    }
    return out;
  }

  Model model;
  std::vector<int32_t> tokens;
  Recorded recorded;
  Views<double> views;
  std::vector<std::vector<double>> core, unified;
};

double channels_of(const std::vector<double>& rows) { return static_cast<double>(rows.size()) / kT; }  // [D, T]

Matrix mean_map(const std::vector<double>& alpha, int64_t T) {
  return channel_mean(alpha, T, [](double v) { return v; });
}

// e_last times I + M of every layer, the last one first.
std::vector<double> rolled(const std::vector<Matrix>& maps, int64_t T, bool normalised) {
  std::vector<double> r(static_cast<size_t>(T), 0.0);
  r.back() = 1;
  for (size_t l = maps.size(); l-- > 0;) {
    std::vector<double> next(r.size(), 0.0);
    for (size_t i = 0; i < r.size(); ++i) {
      double sum = 1;
      for (size_t j = 0; j < r.size(); ++j) sum += maps[l][i * r.size() + j];
      for (size_t j = 0; j < r.size(); ++j)
        next[j] += r[i] * (maps[l][i * r.size() + j] + (i == j ? 1 : 0)) / (normalised ? sum : 1);
    }
    r = next;
  }
  return r;
}

void scale(std::vector<double>& v) {
  const auto [low, high] = std::minmax_element(v.begin(), v.end());
  const double from = *low, range = *high - *low;
  for (double& x : v) x = (x - from) / range;
}

TEST_F(Papers, RolloutsAreProductsOfWholeMatrices) {
  const std::vector<std::pair<std::string, std::function<double(double)>>> entries = {
      {"signed", [](double v) { return v; }},
      {"clamped", [](double v) { return std::max(v, 0.0); }},
      {"absolute", [](double v) { return std::abs(v); }}};
  for (const bool unify : {false, true}) {
    for (const auto& [name, f] : entries) {
      for (const bool normalised : {false, true}) {
        for (const bool one_row : {false, true}) {
          std::vector<Matrix> maps;
          for (size_t l = 0; l < kLayers; ++l) {
            Matrix m = mean_map(alpha(unify, l), kT);
            for (double& v : m) v = f(v);
            for (int64_t i = 0; one_row && i + 1 < kT; ++i) std::copy_n(m.end() - kT, kT, m.begin() + i * kT);
            maps.push_back(m);
          }
          const std::string method =
              fmt::format("rollout:map={},entries={},rows={},mixing={}", unify ? "unified" : "core", name,
                          normalised ? "normalised" : "plain", one_row ? "rank-1" : "full");
          for (const int64_t chunk : {2000, 4}) {
            const MethodReport got = scores_of(method, chunk);
            EXPECT_TRUE(agree(got.scores(), rolled(maps, kT, normalised), tol::kF64Complete)) << method;
            EXPECT_EQ(got.notes.size(), normalised ? 1u : 0u) << "what rows were divided by";
          }
        }
      }
    }
  }
}

TEST_F(Papers, RolloutBeginsWithTheLayerAskedFor) {
  for (const std::string way : {"", ",rows=normalised", ",mixing=rank-1"}) {
    const MethodReport all = scores_of("rollout:start=0" + way), upper = scores_of("rollout:start=1" + way);
    EXPECT_FALSE(agree(all.scores(), upper.scores(), tol::kF64Complete)) << way;
    EXPECT_EQ(largest(upper.layers().first(kT)), 0) << way;
  }
  EXPECT_TRUE(
      agree(scores_of("rollout:form=repo").scores(), scores_of("rollout:form=repo,start=2").scores(), tol::kEqual))
      << "of 3 layers the one as far up as the 15th of 24";
  EXPECT_THROW(scores_of("rollout:start=3"), Error);
}

TEST_F(Papers, RolloutAsReleased) {
  std::vector<double> r(kT, 0.0);
  r.back() = 1;
  for (size_t l = kLayers; l-- > 0;) {
    const std::vector<double> all = rows(false, l);
    double sum = 1;
    std::vector<double> a(kT, 0.0);
    for (size_t i = 0; i < all.size(); ++i) a[i % kT] += all[i] / channels_of(all);
    for (const double v : a) sum += v;
    for (size_t t = 0; t < r.size(); ++t) r[t] = (r[t] + a[t]) / sum;
  }
  for (const int64_t chunk : {2000, 4})
    EXPECT_TRUE(agree(scores_of("rollout:form=repo,start=0", chunk).scores(), r, tol::kF64Complete));
}

// What a form settles is not asked for beside it; what a mean of rows explains has no token of its own.
TEST_F(Papers, OptionsThatSayNothingAreRefused) {
  for (const char* method : {"rollout:form=repo,mixing=full", "rollout:form=repo,rows=plain",
                             "attribution:form=repo,index=query", "raw-attention:start=3"})
    EXPECT_THROW(scores_of(method), Error) << method;
}

TEST(PapersOfClassifiers, RowsOfAMeanAreWhole) {
  Config c = architecture_preset("mamba", {.d_model = 16, .n_layer = 2, .vocab_size = 20});
  c.set("pooling", std::string("mean"));
  c.set("num_labels", int64_t{2});
  const Model model = Model::create(c, DType::kF64, 1);
  ExplainRequest r = request_for({3, 1, 4, 1, 5, 9, 2, 6});
  r.methods = parse_methods("raw-attention:start=0,rollout:form=repo,start=0,attribution:form=repo,start=0");
  const ExplainReport report = explain(model, r);
  for (const MethodReport& m : report.methods) {
    const std::vector<double> some(m.layers().begin(), m.layers().begin() + 8);
    EXPECT_GT(largest(some), 0) << m.name;
    for (const MethodNote& note : m.notes) EXPECT_NE(note.head, "own step") << m.name;
  }
}

TEST_F(Papers, RawAttentionIsTheScaledRowsOnAverage) {
  for (const bool unify : {false, true}) {
    std::vector<double> want(kT, 0.0);
    for (size_t l = 0; l < kLayers; ++l) {
      std::vector<double> all = rows(unify, l);
      scale(all);
      for (size_t i = 0; i < all.size(); ++i) want[i % kT] += all[i] / channels_of(all) / static_cast<double>(kLayers);
    }
    const std::string method = fmt::format("raw-attention:map={},start=0", unify ? "unified" : "core");
    for (const int64_t chunk : {2000, 4})
      EXPECT_TRUE(agree(scores_of(method, chunk).scores(), want, tol::kF64Complete));
  }
}

TEST_F(Papers, AttributionAsReleased) {
  for (const bool unify : {false, true}) {
    std::vector<double> r(kT, 0.0);
    r.back() = 1;
    for (size_t l = kLayers; l-- > 0;) {
      std::vector<double> all = rows(unify, l), a(kT, 0.0), s(kT, 0.0);
      for (double& v : all) v = std::max(v, 0.0);
      if (!unify) scale(all);
      for (size_t i = 0; i < all.size(); ++i) a[i % kT] += all[i] / channels_of(all);
      const std::vector<double> g = stream_gradient(l);
      for (size_t i = 0; i < g.size(); ++i) s[i / (g.size() / kT)] = std::max(s[i / (g.size() / kT)], g[i]);
      scale(s);
      for (size_t t = 0; t < a.size(); ++t) a[t] *= s[t];
      if (unify) scale(a);
      const double sum = std::accumulate(a.begin(), a.end(), 1.0);
      for (size_t t = 0; t < r.size(); ++t) r[t] = (r[t] + a[t]) / sum;
    }
    const std::string method = fmt::format("attribution:form=repo,map={},start=0", unify ? "unified" : "core");
    for (const int64_t chunk : {2000, 4})
      EXPECT_TRUE(agree(scores_of(method, chunk).scores(), r, tol::kProductOfSlopes)) << method;
  }
}

TEST_F(Papers, AttributionOfTheEquations) {
  for (const bool unify : {false, true}) {
    for (const bool source : {false, true}) {
      std::vector<Matrix> maps;
      for (size_t l = 0; l < kLayers; ++l) {
        const std::vector<double> g = stream_gradient(l);  // [T, d_model]
        const Weight& out = *model.weights().find(fmt::format("backbone.layers.{}.mixer.out_proj.weight", l));
        const int64_t C = out.shape[0], D = out.shape[1];
        std::vector<double> gated(kT, 0.0);  // mean over channels in front of the output projection
        for (int64_t t = 0; t < kT; ++t) {
          for (int64_t i = 0; i < C * D; ++i)
            gated[static_cast<size_t>(t)] +=
                out.as<double>()[i] * g[static_cast<size_t>(t * C + i / D)] / static_cast<double>(D);
        }
        Matrix m = mean_map(alpha(unify, l), kT);
        for (size_t i = 0; i < m.size(); ++i) m[i] = std::max(0.0, m[i] * gated[source ? i % kT : i / kT]);
        maps.push_back(m);
      }
      const std::string method = fmt::format("attribution:form=paper,map={},index={}", unify ? "unified" : "core",
                                             source ? "source" : "query");
      for (const int64_t chunk : {2000, 4})
        EXPECT_TRUE(agree(scores_of(method, chunk).scores(), rolled(maps, kT, false), tol::kProductOfSlopes)) << method;
    }
  }
}

}  // namespace
}  // namespace hindscan
