#include "train/optimizer.h"

#include <gtest/gtest.h>

#include "base/testing/compare.h"
#include "train/schedule.h"
#include "train/test_support.h"

namespace hindscan {
namespace {

// The published update in double: decay is decoupled, moments are bias-corrected.
struct PlainAdamW {
  std::vector<double> w, m, v;
  int64_t t = 0;
  void step(const TrainOptions& o, double lr, double decay, const std::vector<double>& g) {
    ++t;
    for (size_t i = 0; i < w.size(); ++i) {
      m[i] = o.beta1 * m[i] + (1 - o.beta1) * g[i];
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * g[i] * g[i];
      const double m_hat = m[i] / (1 - std::pow(o.beta1, static_cast<double>(t)));
      const double v_hat = v[i] / (1 - std::pow(o.beta2, static_cast<double>(t)));
      w[i] -= lr * (m_hat / (std::sqrt(v_hat) + o.eps) + decay * w[i]);
    }
  }
};

TEST(AdamW, FollowsThePublishedUpdateWithClipping) {
  WeightTable table;
  table.add_matrix("matrix", {13, 7}, Init::normal(0.5));
  table.add("norm", {37}, Init::ones());
  table.allocate(DType::kF32);
  table.initialise(3);
  GradTable grads(table, DType::kF32);
  AdamWOptimizer optimizer(table);
  TrainOptions o;
  o.clip = 0.7;
  std::vector<PlainAdamW> plain;
  for (size_t k = 0; k < 2; ++k) {
    const auto n = static_cast<size_t>(table[k].size());
    plain.push_back({std::vector<double>(table[k].as<float>(), table[k].as<float>() + n), std::vector<double>(n),
                     std::vector<double>(n)});
  }
  Rng rng(9, "gradients");
  for (int step = 0; step < 50; ++step) {
    const double size = step % 3 == 0 ? 1.0 : 1e-3;  // clipped and not
    double sum = 0;
    for (size_t k = 0; k < 2; ++k) {
      for (int64_t i = 0; i < table[k].size(); ++i) {
        const auto g = static_cast<float>(size * rng.normal());
        grads.of<float>(table[k])[i] = g;
        sum += static_cast<double>(g) * static_cast<double>(g);
      }
    }
    const double norm = AdamWOptimizer::gradient_norm(table, grads);
    EXPECT_TRUE(agree(norm, std::sqrt(sum), tol::kF32Gradients));
    const double lr = learning_rate(o, step), scale = std::min(1.0, o.clip / std::sqrt(sum));
    for (size_t k = 0; k < 2; ++k) {
      std::vector<double> g(grads.of<float>(table[k]), grads.of<float>(table[k]) + table[k].size());
      for (double& x : g) x *= scale;
      plain[k].step(o, lr, k == 0 ? o.weight_decay : 0.0, g);
    }
    optimizer.step(o, lr, norm, grads, table);
  }
  EXPECT_EQ(optimizer.updates, 50);
  for (size_t k = 0; k < 2; ++k) {
    EXPECT_TRUE(agree(std::span(table[k].as<float>(), plain[k].w.size()), plain[k].w, tol::kF32Forward))
        << table[k].name;
    EXPECT_TRUE(agree(optimizer.m[k], plain[k].m, tol::kF32Gradients));
    EXPECT_TRUE(agree(optimizer.v[k], plain[k].v, tol::kF32Gradients));
  }
}

// Decay on embeddings and projections only; A_log, D, the step bias, norms and every bias keep their scale.
TEST(AdamW, DecayGroupsOfARealModel) {
  for (const std::string& name : test::kGoldenModels) {
    const Model model = test::golden_model(name);
    for (size_t k = 0; k < model.weights().size(); ++k) {
      const Weight& w = model.weights()[k];
      const auto has = [&](const char* part) { return w.name.find(part) != std::string::npos; };
      const bool kept = has("A_log") || w.name.ends_with(".D") || has("norm") || w.name.ends_with("bias");
      EXPECT_EQ(w.weight_decay, !kept) << w.name;
    }
  }
}

TEST(Schedule, WarmsUpAndFalls) {
  TrainOptions o;
  o.steps = 1100;
  o.warmup = 100;
  o.lr = 1e-2;
  o.min_lr = 1e-4;
  for (Schedule kind : {Schedule::kCosine, Schedule::kLinear, Schedule::kConstant, Schedule::kWsd}) {
    o.schedule = kind;
    EXPECT_TRUE(agree(learning_rate(o, 0), 1e-4, tol::kF64Ulp));
    EXPECT_TRUE(agree(learning_rate(o, 99), 1e-2, tol::kF64Ulp));
    EXPECT_TRUE(agree(learning_rate(o, 100), 1e-2, tol::kF64Ulp));
    EXPECT_TRUE(agree(learning_rate(o, 1100), kind == Schedule::kConstant ? 1e-2 : 1e-4, tol::kF64Absolute));
    for (int64_t s = 100; s < 1100; ++s) EXPECT_LE(learning_rate(o, s + 1), learning_rate(o, s) + 1e-15);
  }
  o.schedule = Schedule::kCosine;
  EXPECT_TRUE(agree(learning_rate(o, 600), (1e-2 + 1e-4) / 2, tol::kF64Absolute));
  o.schedule = Schedule::kWsd;
  EXPECT_TRUE(agree(learning_rate(o, 899), 1e-2, tol::kF64Ulp));
  EXPECT_TRUE(agree(learning_rate(o, 1000), (1e-2 + 1e-4) / 2, tol::kF64Absolute));
  o.warmup = 0;
  o.steps = 0;
  EXPECT_TRUE(std::isfinite(learning_rate(o, 0)));
}

TEST(Options, SurviveJson) {
  TrainOptions o;
  o.data = {"a.txt", "b \"quoted\".txt"};
  o.model = "dir";
  o.out = "run";
  o.lr = 0.1 + 0.2;
  o.schedule = Schedule::kWsd;
  o.gemm = DType::kF32;
  o.save_dtype = DType::kF16;
  o.carry = false;
  o.stop_after = 77;
  o.seed = 1u << 30;
  const TrainOptions back = train_options_from_json(to_json(o), "test");
  EXPECT_EQ(to_json(back), to_json(o));
  EXPECT_EQ(arithmetic_hash(back), arithmetic_hash(o));
  TrainOptions other = o;
  other.keep = 9;
  other.out = "elsewhere";
  EXPECT_EQ(arithmetic_hash(other), arithmetic_hash(o));
  other.lr = 0.3;
  EXPECT_NE(arithmetic_hash(other), arithmetic_hash(o));
}

TEST(Options, BadOnesAreRefused) {
  TrainOptions good;
  good.config = "config.json";
  good.task = "reset";
  good.out = "run";
  EXPECT_NO_THROW(good.check_ranges());
  const auto refused = [&](auto change) {
    TrainOptions o = good;
    change(o);
    EXPECT_THROW(o.check_ranges(), Error);
  };
  refused([](TrainOptions& o) { o.lr = NAN; });
  refused([](TrainOptions& o) { o.lr = -1; });
  refused([](TrainOptions& o) { o.length = 0; });
  refused([](TrainOptions& o) { o.sequences = 0; });
  refused([](TrainOptions& o) { o.accumulation = -1; });
  refused([](TrainOptions& o) { o.beta2 = 1; });
  refused([](TrainOptions& o) { o.data = {"also.txt"}; });
  refused([](TrainOptions& o) { o.model = "also"; });
  refused([](TrainOptions& o) { o.out.clear(); });
  refused([](TrainOptions& o) { o.keep = 0; });
  refused([](TrainOptions& o) { o.decay_part = 0; });
}

}  // namespace
}  // namespace hindscan
