// Implicit attention maps and the adjoints under rules of any model: what the conformance test asks of them.
#pragma once
#include "arch_pass.h"
#include "explain/matrix.h"
#include "explain/mixer_view.h"

namespace hindscan::testing {

template <class R>
constexpr Tolerance kRow = sizeof(R) == 8 ? tol::kF64Rows : tol::kF32Rows;

inline double state_share(const SequenceState& adjoint, const SequenceState& state) {
  double sum = 0;
  for (const auto& [name, slot] : state.slots()) {
    const auto* lambda = static_cast<const double*>(adjoint.get(name, slot.shape, slot.dtype));
    const auto* at = static_cast<const double*>(state.get(name, slot.shape, slot.dtype));
    for (size_t i = 0; lambda != nullptr && i < slot.bytes.size() / sizeof(double); ++i) sum += lambda[i] * at[i];
  }
  return sum;
}

// With every coefficient frozen the model is linear: embeddings, carried state and biases add up to any output.
inline void expect_complete(const ArchGolden& golden, int64_t before) {
  const Model model = golden.model<double>();
  const Sequence& sequence = golden.sequences()[0];
  SequenceState state = model.initial_state();
  if (before > 0) run<double>(model, sequence.part(0, before), &state);
  const Sequence part = sequence.from(before);
  SequenceState start = state;
  Input input = part.input();
  input.states = {&start};
  CtxOptions options;
  options.compute = DType::kF64;
  options.record = true;
  Ctx ctx(input, options);
  const Var h = model.arch().forward(ctx);  // [T, d_model]
  const int64_t C = ctx.cols(h);
  double output = 0, sum = 0;
  for (int64_t c = 0; c < C; ++c) {  // an arbitrary read of the last row
    const double seed = std::cos(1.0 + 2.7 * static_cast<double>(c));
    ctx.grad<double>(h)[(ctx.rows(h) - 1) * C + c] = seed;
    output += seed * ctx.data<double>(h)[(ctx.rows(h) - 1) * C + c];
  }
  ctx.backward(frozen_rules());
  for (const OpNode& node : ctx.nodes()) {
    if (node.role != Role::kEmbedding) continue;
    for (int64_t i = 0; i < ctx.rows(node.out) * ctx.cols(node.out); ++i) {
      sum += ctx.grad<double>(node.out)[i] * ctx.data<double>(node.out)[i];
    }
  }
  const double total = sum + ctx.bias_share + state_share(ctx.adjoint_out[0], state);
  EXPECT_TRUE(agree(total, output, tol::kF64Complete)) << "input " << sum << ", bias " << ctx.bias_share;
}

// A recorded pass over the first sequence.
template <class R>
struct Recorded {
  Recorded(const Model& model, const Sequence& sequence) : input(sequence.input()), ctx(input, options()) {
    model.arch().forward(ctx);
  }
  static CtxOptions options() {
    CtxOptions o;
    o.compute = kType<R>;
    o.record = true;
    return o;
  }
  Input input;
  Ctx ctx;
};

// Row of the last token in every map of a mixer, [maps, T]; missing: of its output, what neither row nor start gives.
template <class R>
std::vector<R> last_row(const MixerView<R>& view, std::vector<double>& missing) {
  const int64_t T = view.tokens(), maps = view.maps();
  std::vector<R> w(static_cast<size_t>(T), R(0)), out(static_cast<size_t>(T * maps)), row(out.size());
  w.back() = R(1);
  missing.assign(static_cast<size_t>(view.channels()), 0.0);
  view.weighted_output(w.data(), missing.data());
  RowCarry<R> carry;
  view.row(w.data(), carry, out.data(), missing.data());  // [T, maps]
  std::vector<double> of_start(missing.size(), 0.0);
  view.add_carried_in(carry, of_start.data());
  for (size_t i = 0; i < missing.size(); ++i) missing[i] -= of_start[i];
  for (int64_t i = 0; i < T * maps; ++i)
    row[static_cast<size_t>(i % maps * T + i / maps)] = out[static_cast<size_t>(i)];
  return row;
}

template <class R>
void expect_rows(const ArchGolden& golden) {
  const Model model = golden.model<R>();
  Recorded<R> pass(model, golden.sequences()[0]);
  const auto views = mixer_views<R>(pass.ctx);
  const Tolerance bar = golden.bar<R>(kRow<R>, "rows");
  EXPECT_FALSE(golden.file().has(fmt::format("rows.{}", views.size())));
  for (size_t m = 0; m < views.size(); ++m) {
    std::vector<double> output(static_cast<size_t>(views[m]->channels())), missing;
    std::vector<R> last(static_cast<size_t>(views[m]->tokens()), R(0));
    last.back() = R(1);
    views[m]->weighted_output(last.data(), output.data());
    const std::vector<R> found = last_row(*views[m], missing);
    EXPECT_TRUE(agree(found, golden.file().reals<double>(fmt::format("rows.{}", m)), bar)) << "mixer " << m;
    EXPECT_LT(largest(missing), bar.element * largest(output))
        << "mixer " << m << ": row times values is not the output";
  }
}

// Rows of several tokens as matrix() gives them, against what the published layer gives: the recurrence alone, and with
// convolution, slope, norm and gate folded in, channel by channel (mean and mean of the absolute value).
template <class R>
void expect_published_rows(const ArchGolden& golden) {
  const GoldenFile& file = golden.file();
  if (!file.has("row_tokens"))
    GTEST_SKIP() << "the reference gives no rows of whole layers for this model, only those of the recurrence, which "
                    "are compared";
  const Model model = golden.model<R>();
  // matrix() gives float in any precision
  const Tolerance bar = golden.bar<R>(sizeof(R) == 8 ? tol::kF64SplitScores.times(1000) : kRow<R>, "rows");
  const std::vector<int32_t> tokens = file.ids("row_tokens");
  for (int m = 0; file.has(fmt::format("core_rows.{}", m)); ++m) {
    const int64_t maps = file.shape(fmt::format("core_rows.{}", m))[1];
    const size_t T = golden.sequences()[0].tokens.size();
    const auto stored = [&](const char* what, size_t n) {  // [maps, T] of token n
      const std::vector<double> all = file.reals<double>(fmt::format("{}.{}", what, m));
      const size_t size = static_cast<size_t>(maps) * T;
      return std::vector<double>(all.begin() + static_cast<int64_t>(n * size),
                                 all.begin() + static_cast<int64_t>((n + 1) * size));
    };
    MatrixRequest r;
    r.tokens = golden.sequences()[0].tokens;
    r.layer = m;
    const auto row = [&](MapKind map, Fidelity fidelity, int64_t channel) {
      r.map = map;
      r.fidelity = fidelity;
      r.channel = channel;
      return matrix(model, r).values;
    };
    for (size_t n = 0; n < tokens.size(); ++n) {
      r.rows = TokenRange{tokens[n], tokens[n] + 1};
      std::vector<float> core, mixer;
      for (int64_t h = 0; h < maps; ++h) {
        for (float v : row(MapKind::kChannel, Fidelity::kCore, h)) core.push_back(v);
        for (float v : row(MapKind::kChannel, Fidelity::kMixer, h)) mixer.push_back(v);
      }
      EXPECT_TRUE(agree(core, stored("core_rows", n), bar)) << "core of mixer " << m << ", token " << tokens[n];
      if (!file.has(fmt::format("mixer_rows.{}", m))) continue;
      EXPECT_TRUE(agree(mixer, stored("mixer_rows", n), bar)) << "mixer " << m << ", token " << tokens[n];
      const std::vector<double> each = stored("mixer_abs_rows", n);
      std::vector<double> mean(T, 0.0);
      for (size_t i = 0; i < each.size(); ++i) mean[i % T] += each[i] / static_cast<double>(maps);
      EXPECT_TRUE(agree(row(MapKind::kAbs, Fidelity::kMixer, 0), mean, bar)) << "absolute, mixer " << m;
    }
  }
}

// What map m reads, summed over its channels: one of them, or the mean where a map mixes channels.
template <class R>
std::vector<R> seed_of_map(const MixerView<R>& view, int64_t m) {
  std::vector<R> seed(static_cast<size_t>(view.channels()), R(0));
  const int64_t width = view.channels() / (view.reads() * view.maps());
  for (int64_t r = 0; r < view.reads(); ++r) seed[static_cast<size_t>((r * view.maps() + m) * width)] = R(1);
  return seed;
}

// The adjoint of a mixer's core with its coefficients frozen is the transpose of its maps.
template <class R>
void expect_transposed(const ArchGolden& golden) {
  const Model model = golden.model<R>();
  Recorded<R> pass(model, golden.sequences()[0]);
  Ctx& ctx = pass.ctx;
  for (const auto& view : mixer_views<R>(ctx)) {
    const OpNode& core = ctx.nodes()[view->ops().core];
    if (core.role == Role::kNonlinear) continue;  // its maps are sums over channels: golden rows check them
    const int64_t T = view->tokens(), C = ctx.cols(view->values()), D = ctx.cols(core.out);
    std::vector<double> missing;
    const std::vector<R> alpha = last_row(*view, missing);  // [maps, T]
    std::vector<double> transposed;                         // [maps, T]
    for (int64_t m = 0; m < view->maps(); ++m) {
      const std::vector<R> seed = seed_of_map(*view, m);
      ctx.clear_grads();
      std::copy(seed.begin(), seed.end(), ctx.grad<R>(core.out) + (T - 1) * D);
      ctx.backward(frozen_rules(), view->ops().core, view->ops().core + 1);
      const R* dv = ctx.grad<R>(view->values());  // [T, C]
      for (int64_t t = 0; t < T; ++t) {
        double sum = 0;
        for (int64_t c = 0; c < C; ++c) sum += static_cast<double>(dv[t * C + c]);
        transposed.push_back(sum / static_cast<double>(view->reads() * view->writes()));
      }
    }
    EXPECT_TRUE(agree(transposed, alpha, golden.bar<R>(kRow<R>, "rows")))
        << view->name().kind << " of layer " << view->layer;
  }
}

// The five paths of a mixer are parts of its exact adjoint.
inline void expect_paths(const ArchGolden& golden) {
  const Model model = golden.model<double>();
  Recorded<double> pass(model, golden.sequences()[0]);
  Ctx& ctx = pass.ctx;
  const auto back = [&](const MixerScope& scope, MixerPath path) {
    ctx.clear_grads();
    double* dy = ctx.grad<double>(scope.out);
    for (int64_t i = 0; i < ctx.rows(scope.out) * ctx.cols(scope.out); ++i)
      dy[i] = std::cos(1.0 + 0.7 * static_cast<double>(i));
    AdjointRules rules = exact_rules();
    rules.path = path;
    ctx.backward(rules, scope.first, scope.last);
    const double* du = ctx.grad<double>(scope.in);
    return std::vector<double>(du, du + ctx.rows(scope.in) * ctx.cols(scope.in));
  };
  for (const MixerScope& scope : ctx.mixers()) {
    const std::vector<double> exact = back(scope, MixerPath::kAll);
    std::vector<double> sum(exact.size(), 0.0);
    for (int p = 1; p <= kMixerPaths; ++p) {
      const std::vector<double> part = back(scope, static_cast<MixerPath>(p));
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
    }
    EXPECT_TRUE(agree(sum, exact, tol::kF64Rows)) << scope.where;
  }
}

}  // namespace hindscan::testing
