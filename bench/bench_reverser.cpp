// RWKV-7 that reverses digits has a known answer: to emit output digit i it must read input digit n-1-i. For 1,000
// digits: is that source the largest entry of the exact row, at the level of the model, of each mixer, recurrence and
// head? Rows of the first three are contributions, coefficients frozen, to the logit of the answer less the
// runner-up's, or less the mean.
//   bench_reverser [FILE.pth] [digits]
#include <fmt/format.h>
#include <hindscan_paths.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>

#include "base/fs.h"
#include "base/rng.h"
#include "model/model.h"

namespace hindscan {
namespace {

constexpr int32_t kComma = 10, kEnd = 11;  // of the vocabulary 0123456789,#

// How often the largest entry of a row is the source.
struct Hits {
  int64_t everywhere = 0;    // by value, among all tokens
  int64_t among_digits = 0;  // by value, among the digits of the question
  int64_t one_after = 0;     // by size among these digits: the token after the source, whose token shift holds it
  int64_t total = 0;

  void count(const std::vector<double>& scores, int64_t digits, int64_t source) {
    const auto size = [](double a, double b) { return std::abs(a) < std::abs(b); };
    const auto begin = scores.begin(), end_digits = begin + digits;
    everywhere += std::max_element(begin, scores.end()) - begin == source;
    among_digits += std::max_element(begin, end_digits) - begin == source;
    one_after += std::max_element(begin, end_digits, size) - begin == source + 1;
    ++total;
  }
};
using Table = std::map<std::string, Hits>;
enum class Target { kRunnerUp, kMean };

std::vector<int32_t> question(int64_t digits, Rng& rng) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < digits; ++i) tokens.push_back(static_cast<int32_t>(rng.uniform() * 10));
  tokens.push_back(kComma);
  for (int64_t i = digits; i-- > 0;) tokens.push_back(tokens[static_cast<size_t>(i)]);
  tokens.push_back(kEnd);
  return tokens;
}

// One recorded pass in double; every row is a frozen adjoint through it.
class Pass {
 public:
  Pass(const Model& model, std::span<const int32_t> tokens) : model_(model), ctx_(input(tokens), options()) {
    h_ = model.arch().forward(ctx_);  // [T, d_model]
  }

  // Rows of the token that answers digit i of n; returns how far the model's row is from adding up to the logit
  // difference.
  double explain(Target target, int64_t i, int64_t n, Table& table) {
    const int64_t t = n + i, source = n - 1 - i;
    seed(target, t);
    ctx_.bias_share = 0;
    ctx_.backward(frozen_rules());
    const std::vector<double> whole = scores({embedding()}, t);
    table["model"].count(whole, n, source);
    const double sum = std::accumulate(whole.begin(), whole.end(), ctx_.bias_share);
    std::vector<std::pair<std::vector<double>, std::vector<double>>>
        adjoints;  // of each mixer's and recurrence's output at t
    for (const MixerScope& scope : ctx_.mixers()) adjoints.emplace_back(row(scope.out, t), row(core(scope).out, t));
    for (size_t l = 0; l < adjoints.size(); ++l) {
      const MixerScope& scope = ctx_.mixers()[l];
      set(scope.out, t, adjoints[l].first);
      ctx_.backward(frozen_rules(), scope.first, scope.last);
      std::vector<Var> sources = {scope.in};
      if (l > 0) sources.push_back(first_values_);
      table[fmt::format("layer {} mixer", l)].count(scores(sources, t), n, source);
      set(core(scope).out, t, adjoints[l].second);
      core(scope).backward(frozen_rules());
      table[fmt::format("layer {} recurrence", l)].count(scores({core(scope).in[2]}, t), n, source);
      count_heads(scope, t, n, source, table);
    }
    return std::abs(sum - difference_) / std::abs(difference_);
  }

  // Index of the largest logit; the runner-up goes into runner_up.
  int64_t answer(int64_t t, int64_t* runner_up) const {
    std::vector<double> z(static_cast<size_t>(model_.arch().sizes().vocab_size));
    for (size_t i = 0; i < z.size(); ++i) z[i] = logit(t, static_cast<int64_t>(i));
    std::vector<int64_t> order(z.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
    std::sort(order.begin(), order.end(),
              [&](int64_t a, int64_t b) { return z[static_cast<size_t>(a)] > z[static_cast<size_t>(b)]; });
    *runner_up = order[1];
    return order[0];
  }

 private:
  static Input input(std::span<const int32_t> tokens) {
    Input in;
    in.tokens = tokens;
    return in;
  }
  static CtxOptions options() {
    CtxOptions o;
    o.record = true;
    o.compute = DType::kF64;
    return o;
  }

  // The implicit attention of each head by itself, whatever its values say.
  void count_heads(const MixerScope& scope, int64_t t, int64_t n, int64_t source, Table& table) {
    const auto& detail = dynamic_cast<const HeadDetail<double>&>(*core(scope).mixer);
    const int64_t T = detail.dims.T, H = detail.dims.H;
    std::vector<double> ask(static_cast<size_t>(T * H), 0.0), carry(static_cast<size_t>(H * detail.dims.K), 0.0),
        out(ask.size());
    std::fill_n(ask.begin() + t * H, H, 1.0);
    kernels::glr::head_row_times(detail.dims, detail.coeffs, ask.data(), carry.data(), out.data());  // [T, H]
    for (int64_t h = 0; h < H; ++h) {
      std::vector<double> alpha(static_cast<size_t>(t + 1));
      for (int64_t j = 0; j <= t; ++j) alpha[static_cast<size_t>(j)] = out[static_cast<size_t>(j * H + h)];
      table[fmt::format("layer {} head {}", scope.layer, h)].count(alpha, n, source);
    }
  }

  double logit(int64_t t, int64_t token) const {
    const Weight& w = *model_.arch().logit_head().weight;
    double sum = model_.arch().logit_head().bias == nullptr ? 0 : model_.arch().logit_head().bias->as<double>()[token];
    for (int64_t c = 0; c < w.cols(); ++c)
      sum += w.as<double>()[token * w.cols() + c] * ctx_.data<double>(h_)[t * w.cols() + c];
    return sum;
  }

  // Adjoint of the target at t, without the head's biases.
  void seed(Target target, int64_t t) {
    ctx_.clear_grads();
    int64_t other = 0;
    const int64_t best = answer(t, &other);
    const Weight& w = *model_.arch().logit_head().weight;
    const int64_t C = w.cols(), vocab = w.rows();
    double* dh = ctx_.grad<double>(h_) + t * C;
    difference_ = 0;
    for (int64_t c = 0; c < C; ++c) {
      double base = 0;
      for (int64_t v = 0; v < vocab; ++v) base += w.as<double>()[v * C + c] / static_cast<double>(vocab);
      if (target == Target::kRunnerUp) base = w.as<double>()[other * C + c];
      dh[c] = w.as<double>()[best * C + c] - base;
      difference_ += dh[c] * ctx_.data<double>(h_)[t * C + c];
    }
  }

  Var embedding() const {
    for (const OpNode& n : ctx_.nodes()) {
      if (n.role == Role::kEmbedding) return n.out;
    }
    fail(ErrorCode::kInternal, "[reverser] expected an embedding in the pass, found none");
  }
  const OpNode& core(const MixerScope& scope) {
    for (size_t i = scope.first; i < scope.last; ++i) {
      const OpNode& n = ctx_.nodes()[i];
      if (n.role != Role::kGlr) continue;
      if (first_values_ == kNoVar && scope.layer > 0) find_first_values(scope);
      return n;
    }
    fail(ErrorCode::kInternal, "[reverser] expected a recurrence in {}, found none", scope.where);
  }
  // What later layers read besides their input: made before the first mixer.
  void find_first_values(const MixerScope& scope) {
    for (size_t i = scope.first; i < scope.last; ++i) {
      for (const Var v : ctx_.nodes()[i].in) {
        if (v != scope.in && v < ctx_.mixers().front().in) first_values_ = v;
      }
    }
  }

  std::vector<double> row(Var v, int64_t t) {
    const int64_t C = ctx_.cols(v);
    const double* g = ctx_.grad<double>(v) + t * C;
    return {g, g + C};
  }
  void set(Var v, int64_t t, const std::vector<double>& adjoint) {
    ctx_.clear_grads();
    std::copy(adjoint.begin(), adjoint.end(), ctx_.grad<double>(v) + t * ctx_.cols(v));
  }
  // <adjoint, value> of tokens 0..t, summed over the arrays.
  std::vector<double> scores(const std::vector<Var>& of, int64_t t) {
    std::vector<double> out(static_cast<size_t>(t + 1), 0.0);
    for (const Var v : of) {
      const double *x = ctx_.data<double>(v), *g = ctx_.grad<double>(v);
      for (int64_t i = 0; i < (t + 1) * ctx_.cols(v); ++i) out[static_cast<size_t>(i / ctx_.cols(v))] += x[i] * g[i];
    }
    return out;
  }

  const Model& model_;
  Ctx ctx_;
  Var h_ = kNoVar, first_values_ = kNoVar;
  double difference_ = 0;
};

void print(const char* target, const Table& table) {
  fmt::print("{}\n{:21} {:>14} {:>14} {:>18}\n", target, "  largest of the row", "is the source", "among digits",
             "token after (|.|)");
  for (const auto& [level, h] : table)
    fmt::print("  {:19} {:>14} {:>14} {:>18}\n", level, h.everywhere, h.among_digits, h.one_after);
}

int run(int argc, char** argv) {
  const char* data = std::getenv("HINDSCAN_DATA");
  const std::string folder = data != nullptr ? data : std::string(HINDSCAN_SOURCE_DIR) + "/../shared/data";
  const std::string file = argc > 1 ? argv[1] : folder + "/weights/rwkv7-reverse/260123_reverse_L2_only_rwkv7.pth";
  if (argc <= 1 && real_fs().kind(file) == FileKind::kNone) {
    fmt::print("bench_reverser: skipped: no data\n");
    return 0;
  }
  const int64_t wanted = argc > 2 ? std::atoll(argv[2]) : 1000;
  LoadOptions options;
  options.dtype = DType::kF64;
  const Model model = Model::load(file, options);
  Rng rng(20261122, "reverser");
  Table by_runner_up, by_mean;
  int64_t asked = 0, right = 0;
  double residual = 0;
  for (int64_t digits = 1; asked < wanted; digits = digits % 60 + 1) {
    const std::vector<int32_t> tokens = question(digits, rng);
    Pass pass(model, tokens);
    for (int64_t i = 0; i < digits && asked < wanted; ++i, ++asked) {
      int64_t other = 0;
      right += pass.answer(digits + i, &other) == tokens[static_cast<size_t>(digits + i + 1)];
      residual = std::max(residual, pass.explain(Target::kRunnerUp, i, digits, by_runner_up));
      residual = std::max(residual, pass.explain(Target::kMean, i, digits, by_mean));
    }
  }
  fmt::print("{} of {} digits right; a model row adds up to its logit difference within {:.1e}\n", right, asked,
             residual);
  print("answer less runner-up", by_runner_up);
  print("answer less mean", by_mean);
  return 0;
}

}  // namespace
}  // namespace hindscan

int main(int argc, char** argv) {
  try {
    return hindscan::run(argc, argv);
  } catch (const hindscan::Error& e) {
    fmt::print(stderr, "{}\n", e.message());
    return static_cast<int>(e.code());
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 70;
  }
}
