// float kernels against the double reference, under 1 and 2 threads.
#include "kernels/pointwise.h"

#include "kernels/pointwise_test_support.h"

namespace hindscan::kernels {
namespace {

const Act kActs[] = {Act::kSilu, Act::kSoftplus, Act::kSigmoid, Act::kGelu,    Act::kRelu2,
                     Act::kTanh, Act::kIdentity, Act::kRelu,    Act::kGeluTanh};

struct Size {
  int64_t T, C;
};
const Size kSizes[] = {{0, 7}, {1, 1}, {3, 7}, {5, 33}, {2, 1000}, {300, 33}, {260, 200}};

std::string name(const Size& s) { return "T=" + std::to_string(s.T) + " C=" + std::to_string(s.C); }

template <class R>
R* data_or_null(Vec<R>& v, bool wanted) {
  return wanted ? v.data() : nullptr;
}

template <class R>
using Outputs = std::vector<Vec<R>>;

template <class R>
R number_of(const Outputs<R>&) {
  return R(0);
}

// expect_float_follows with the type of the numbers as a second argument.
template <class Body>
void compare(const Outputs<float>& inputs, const Tolerance& t, const std::string& what, const Body& body,
             const Terms& terms = {}) {
  expect_float_follows(
      inputs, t, what, [&](const auto& in) { return body(in, number_of(in)); }, terms);
}

TEST(PointwiseFloat, RmsNormForward) {
  for (const Size& s : kSizes) {
    for (const bool weighted : {true, false}) {
      compare({random_floats(s.T * s.C, 1), random_floats(s.C, 2)}, tol::kF32Pointwise, name(s),
              [&](const auto& in, auto zero) {
                using R = decltype(zero);
                Vec<R> y = poisoned<R>(s.T * s.C), rstd = poisoned<R>(s.T);
                rmsnorm_forward(s.T, s.C, in[0].data(), weighted ? in[1].data() : nullptr, R(1e-5), y.data(),
                                rstd.data());
                return Outputs<R>{y, rstd};
              });
    }
  }
}

TEST(PointwiseFloat, RmsNormBackward) {
  for (const Size& s : kSizes) {
    for (int flags = 0; flags < 16; ++flags) {
      const bool weighted = flags & 1, freeze = flags & 2, want_dx = flags & 4, want_dw = flags & 8;
      const Outputs<float> inputs = {random_floats(s.T * s.C, 1), random_floats(s.C, 2), random_floats(s.T * s.C, 3),
                                     random_floats(s.T * s.C, 4), random_floats(s.C, 5)};
      compare(inputs, tol::kF32RowSums, name(s) + " flags " + std::to_string(flags), [&](const auto& in, auto zero) {
        using R = decltype(zero);
        const R* w = weighted ? in[1].data() : nullptr;
        Vec<R> y = poisoned<R>(s.T * s.C), rstd = poisoned<R>(s.T), dx = in[3], dw = in[4];
        rmsnorm_forward(s.T, s.C, in[0].data(), w, R(1e-5), y.data(), rstd.data());
        rmsnorm_backward(s.T, s.C, in[0].data(), w, rstd.data(), in[2].data(), freeze, data_or_null(dx, want_dx),
                         data_or_null(dw, want_dw));
        return Outputs<R>{dx, dw};
      });
    }
  }
}

TEST(PointwiseFloat, Activations) {
  for (const Act act : kActs) {
    for (const int64_t n : {0, 1, 7, 33, 1000, 40001}) {
      const Outputs<float> inputs = {random_floats(n, 1, 4.0f), random_floats(n, 2), random_floats(n, 3)};
      compare(inputs, tol::kF32Activation, "act " + std::to_string(static_cast<int>(act)),
              [&](const auto& in, auto zero) {
                using R = decltype(zero);
                Vec<R> y = poisoned<R>(n), dx = in[2], frozen = in[2], in_place = in[0];
                act_forward(act, n, in[0].data(), y.data());
                act_forward(act, n, in_place.data(), in_place.data());
                act_backward(act, ActRule::kExact, n, in[0].data(), in[1].data(), dx.data());
                Outputs<R> out = {y, in_place, dx};
                if (act != Act::kSoftplus && act != Act::kSigmoid) {  // their y/x has no limit at 0
                  Vec<R> slope = poisoned<R>(n);
                  act_slope(act, n, in[0].data(), slope.data());
                  act_backward(act, ActRule::kFrozenSlope, n, in[0].data(), in[1].data(), frozen.data());
                  out.push_back(slope);
                  out.push_back(frozen);
                }
                return out;
              });
    }
  }
}

TEST(PointwiseFloat, BiasActivations) {
  for (const Act act : {Act::kSoftplus, Act::kSilu, Act::kIdentity}) {
    for (const Size& s : kSizes) {
      const Outputs<float> inputs = {random_floats(s.T * s.C, 1), random_floats(s.C, 2), random_floats(s.T * s.C, 3),
                                     random_floats(s.T * s.C, 4), random_floats(s.C, 5)};
      compare(inputs, tol::kF32RowSums, name(s), [&](const auto& in, auto zero) {
        using R = decltype(zero);
        Vec<R> y = poisoned<R>(s.T * s.C), dx = in[3], db = in[4], dx_alone = in[3], db_alone = in[4];
        bias_act_forward(act, s.T, s.C, in[0].data(), in[1].data(), y.data());
        bias_act_backward(act, s.T, s.C, in[0].data(), in[1].data(), in[2].data(), dx.data(), db.data());
        bias_act_backward(act, s.T, s.C, in[0].data(), in[1].data(), in[2].data(), dx_alone.data(), nullptr);
        bias_act_backward(act, s.T, s.C, in[0].data(), in[1].data(), in[2].data(), nullptr, db_alone.data());
        EXPECT_TRUE(same_bits(dx, dx_alone));
        EXPECT_TRUE(same_bits(db, db_alone));
        return Outputs<R>{y, dx, db};
      });
    }
  }
}

TEST(PointwiseFloat, GatesAndSums) {
  for (const int64_t n : {0, 1, 7, 33, 1000, 40001}) {
    const Outputs<float> inputs = {random_floats(n, 1), random_floats(n, 2), random_floats(n, 3), random_floats(n, 4),
                                   random_floats(n, 5)};
    compare(inputs, tol::kF32Pointwise, "n=" + std::to_string(n), [&](const auto& in, auto zero) {
      using R = decltype(zero);
      Vec<R> product = poisoned<R>(n), sum = poisoned<R>(n), da = in[3], db = in[4], da_alone = in[3], acc = in[3];
      gate_forward(n, in[0].data(), in[1].data(), product.data());
      gate_backward(n, in[0].data(), in[1].data(), in[2].data(), R(0.5), R(2), da.data(), db.data());
      gate_backward(n, in[0].data(), in[1].data(), in[2].data(), R(0.5), R(2), da_alone.data(), nullptr);
      EXPECT_TRUE(same_bits(da, da_alone));
      add_forward(n, in[0].data(), in[1].data(), sum.data());
      accumulate(n, in[0].data(), acc.data());
      const Vec<R> squares = {static_cast<R>(sum_squares(n, in[0].data()))};
      return Outputs<R>{product, da, db, sum, acc, squares};
    });
  }
}

TEST(PointwiseFloat, BiasesAndSkip) {
  for (const Size& s : kSizes) {
    const int64_t n = s.T * s.C;
    const Outputs<float> inputs = {random_floats(n, 1), random_floats(s.C, 2), random_floats(n, 3), random_floats(n, 4),
                                   random_floats(s.C, 5)};
    compare(inputs, tol::kF32RowSums, name(s), [&](const auto& in, auto zero) {
      using R = decltype(zero);
      Vec<R> biased = in[0], db = in[4], skip = poisoned<R>(n), bare = poisoned<R>(n), in_place = in[2];
      Vec<R> dx = in[3], dd = in[4], dx_alone = in[3], dd_alone = in[4];
      const R *x = in[0].data(), *d = in[1].data(), *base = in[2].data();
      add_bias(s.T, s.C, d, biased.data());
      sum_rows(s.T, s.C, x, db.data());
      skip_forward(s.T, s.C, base, d, x, skip.data());
      skip_forward(s.T, s.C, nullptr, d, x, bare.data());
      skip_forward(s.T, s.C, in_place.data(), d, x, in_place.data());
      EXPECT_TRUE(same_bits(skip, in_place));
      skip_backward(s.T, s.C, d, x, base, dx.data(), dd.data());
      skip_backward(s.T, s.C, d, x, base, dx_alone.data(), nullptr);
      skip_backward(s.T, s.C, d, x, base, nullptr, dd_alone.data());
      EXPECT_TRUE(same_bits(dx, dx_alone) && same_bits(dd, dd_alone));
      return Outputs<R>{biased, db, skip, bare, dx, dd};
    });
  }
}

TEST(PointwiseFloat, Convolution) {
  for (const Size& s : kSizes) {
    for (const int64_t K : {1, 2, 4, 5}) {
      const int64_t n = s.T * s.C, p = (K - 1) * s.C;
      const Outputs<float> inputs = {random_floats(s.C * K, 1), random_floats(s.C, 2),    random_floats(n, 3),
                                     random_floats(p, 4),       random_floats(n, 5),      random_floats(p, 6),
                                     random_floats(n, 7),       random_floats(s.C * K, 8)};
      compare(inputs, tol::kF32Conv, name(s) + " K=" + std::to_string(K), [&](const auto& in, auto zero) {
        using R = decltype(zero);
        Vec<R> y = poisoned<R>(n), bare = poisoned<R>(n), past = in[3], past2 = in[3];
        const R *w = in[0].data(), *b = in[1].data(), *x = in[2].data(), *dy = in[4].data();
        conv1d_forward(s.T, s.C, K, w, b, x, past.data(), y.data());
        conv1d_forward(s.T, s.C, K, w, nullptr, x, past2.data(), bare.data());
        Vec<R> dpast = in[5], dx = in[6], dw = in[7], db = in[1], dpast2 = in[5], dw2 = in[7];
        conv1d_backward(s.T, s.C, K, w, x, in[3].data(), dy, dpast.data(), dx.data(), dw.data(), db.data());
        conv1d_backward(s.T, s.C, K, w, x, in[3].data(), dy, dpast2.data(), nullptr, dw2.data(), nullptr);
        EXPECT_TRUE(same_bits(dpast, dpast2) && same_bits(dw, dw2) && same_bits(past, past2));
        return Outputs<R>{y, bare, past, dpast, dx, dw, db};
      });
    }
  }
}

TEST(PointwiseFloat, EmbeddingAndCrossEntropy) {
  for (const Size& s : kSizes) {
    Vec<int32_t> ids(static_cast<size_t>(s.T));
    for (size_t t = 0; t < ids.size(); ++t) ids[t] = static_cast<int32_t>((t * 7) % static_cast<size_t>(s.C));
    const int64_t n = s.T * s.C;
    const Outputs<float> inputs = {random_floats(n, 1, 3.0f), random_floats(s.T, 2), random_floats(s.C * 5, 3),
                                   random_floats(s.T * 5, 4)};
    compare(
        inputs, tol::kF32RowSums, name(s),
        [&](const auto& in, auto zero) {
          using R = decltype(zero);
          Vec<R> rows = poisoned<R>(s.T * 5), dtable = in[2];
          embedding_forward(s.T, 5, ids.data(), in[2].data(), rows.data());
          embedding_backward(s.T, 5, ids.data(), in[3].data(), dtable.data());
          Vec<R> losses = poisoned<R>(s.T), losses2 = losses, losses3 = losses, dlogits = poisoned<R>(n),
                 in_place = in[0];
          cross_entropy(s.T, s.C, in[0].data(), ids.data(), in[1].data(), losses.data(), dlogits.data());
          cross_entropy(s.T, s.C, in_place.data(), ids.data(), in[1].data(), losses2.data(), in_place.data());
          cross_entropy(s.T, s.C, in[0].data(), ids.data(), nullptr, losses3.data(), nullptr);
          EXPECT_TRUE(same_bits(dlogits, in_place) && same_bits(losses, losses2) && same_bits(losses, losses3));
          return Outputs<R>{rows, dtable, losses, dlogits};
        },
        [&](const Arrays&, const Arrays& out) {  // nats and probabilities are differences of numbers near 1
          return Arrays{{}, {}, Vec<double>(out[2].size(), 1.0), Vec<double>(out[3].size(), 1.0)};
        });
  }
}

TEST(PointwiseFloat, CrossEntropyOfExtremeLogits) {
  const Vec<float> logits = {1000.0f, 0.0f, -1000.0f, 1000.0f, 0.0f, -1000.0f};
  const Vec<int32_t> targets = {0, 2};
  Vec<float> losses = poisoned<float>(2), d = poisoned<float>(6);
  cross_entropy(2, 3, logits.data(), targets.data(), nullptr, losses.data(), d.data());
  EXPECT_EQ(losses, (Vec<float>{0.0f, 2000.0f}));
  EXPECT_EQ(d, (Vec<float>{0.0f, 0.0f, 0.0f, 1.0f, 0.0f, -1.0f}));
}

TEST(PointwiseFloat, AdamWFollowsThePaper) {
  for (const int64_t n : {1, 33, 40001}) {
    const AdamW o{1e-3f, 0.9f, 0.95f, 1e-8f, 0.1f, 1 - 0.9f * 0.9f, 1 - 0.95f * 0.95f, 0.5f};
    const Vec<float> g = random_floats(n, 1), w0 = random_floats(n, 2), m0 = random_floats(n, 3),
                     root = random_floats(n, 4);
    Vec<float> v0 = root;
    for (float& v : v0) v *= v;
    const auto got = under_threads([&] {
      Vec<float> w = w0, m = m0, v = v0;
      adamw_update(o, n, g.data(), w.data(), m.data(), v.data());
      return Outputs<float>{w, m, v};
    });
    Outputs<double> want = {widen(w0), widen(m0), widen(v0)};
    for (size_t i = 0; i < g.size(); ++i) {
      const double grad = double{g[i]} * 0.5;
      double &w = want[0][i], &m = want[1][i], &v = want[2][i];
      m = double{o.beta1} * m + (1.0 - double{o.beta1}) * grad;
      v = double{o.beta2} * v + (1.0 - double{o.beta2}) * grad * grad;
      w -= double{o.lr} *
           (m / double{o.bias1} / (std::sqrt(v / double{o.bias2}) + double{o.eps}) + double{o.weight_decay} * w);
    }
    for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(agree(got[i], want[i], tol::kF32Pointwise)) << n << " " << i;
  }
}

TEST(PointwiseFloat, AllFiniteFindsOneBadValueAnywhere) {
  Vec<float> v = random_floats(20000, 1);
  EXPECT_TRUE(all_finite(20000, v.data()));
  for (const size_t at : {size_t{0}, size_t{17}, size_t{16384}, size_t{19999}}) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()}) {
      const float kept = v[at];
      v[at] = bad;
      EXPECT_FALSE(all_finite(20000, v.data())) << at;
      v[at] = kept;
    }
  }
}

}  // namespace
}  // namespace hindscan::kernels
