// One mixer op as a tiny model: its inputs cut from the features, its output back to their columns.
#pragma once
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "core/context.h"
#include "core/ops/embedding.h"
#include "core/ops/linear.h"

namespace hindscan::mixer_test {

// Features [T, C] are cut into the inputs of the op; its output goes through a fixed linear map back to C columns.
struct MixerCase {
  std::string name;
  int64_t C = 0;
  int64_t value_first = 0, value_count = 0;                       // columns of the values
  std::function<double(int64_t column, Rng&)> draw;               // a feature
  std::function<Var(Ctx&, Var features, const WeightTable&)> op;  // declared weights come first in the table
  std::function<void(WeightTable&)> declare = [](WeightTable&) {};
  std::function<void(Ctx&)> inspect = [](Ctx&) {};          // after a recorded pass
  int64_t out = 0;                                          // columns of the op
  std::vector<MixerPath> empty_paths = {MixerPath::kGate};  // paths without a share
};

struct Result {
  std::vector<double> y, dx;  // [T, C]
  std::vector<std::vector<double>> dw;
};

class Mixer {
 public:
  Mixer(const MixerCase& c, DType dtype) : case_(c), dtype_(dtype) {
    case_.declare(table);
    back_ = &table.add_matrix("back", {c.C, c.out}, Init::normal(0.5));
    embedding_ = &table.add("embedding", {1, c.C}, Init::ones());  // features pass through
    table.allocate(dtype);
    table.initialise(11);
  }
  WeightTable table;

  // A law other than the normal one is that of the values.
  std::vector<float> features(int64_t T, uint64_t seed, Law law = Law::kNormal) const {
    Rng rng(seed);
    std::vector<float> x(static_cast<size_t>(T * case_.C));
    for (size_t i = 0; i < x.size(); ++i) {
      const int64_t column = static_cast<int64_t>(i) % case_.C, value = column - case_.value_first;
      const double z = case_.draw(column, rng);
      x[i] = static_cast<float>(value >= 0 && value < case_.value_count ? tailed(z, law) : z);
    }
    return x;
  }
  Input input(std::span<const float> x) const {
    Input in;
    in.features = x;
    in.feature_dim = case_.C;
    return in;
  }
  Var forward(Ctx& ctx) const {
    const Var x = ops::embedding(ctx, *embedding_);
    return ctx.block(0, x, [&](Ctx& c, Var u) {
      return c.mixer(u, [&](Ctx& m, Var w) { return ops::linear(m, *back_, nullptr, case_.op(m, w, table)); });
    });
  }
  static double seed_of(size_t i) { return std::sin(1.0 + static_cast<double>(i) * 1.7); }
  CtxOptions options(bool record) const {
    CtxOptions o;
    o.record = record;
    o.compute = dtype_;
    return o;
  }

  // dx empty when not recorded.
  Result run(const Input& in, const AdjointRules& rules, bool recompute = false) const {
    GradTable grads(table, dtype_);
    grads.zero();
    CtxOptions o = options(true);
    o.recompute = recompute;
    o.grads = &grads;
    Ctx ctx(in, o);
    const Var y = forward(ctx);
    if (!recompute) case_.inspect(ctx);
    seed(ctx, y, 0);
    Result r;
    r.y = copy(ctx, y, false);
    ctx.backward(rules);
    r.dx = copy(ctx, 0, true);
    if (rules.weights) {
      for (size_t k = 0; k < table.size(); ++k) {
        std::vector<double> w(static_cast<size_t>(table[k].size()));
        for (size_t i = 0; i < w.size(); ++i)
          w[i] = dtype_ == DType::kF64 ? grads.of<double>(table[k])[i] : grads.of<float>(table[k])[i];
        r.dw.push_back(w);
      }
    }
    return r;
  }
  double loss(std::span<const float> x) const {
    Ctx ctx(input(x), options(false));
    const std::vector<double> y = copy(ctx, forward(ctx), false);
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += y[i] * seed_of(i);
    return sum;
  }
  // The same text in chunks, forward and back, the state and its adjoint handed on.
  Result run_chunks(std::span<const float> x, std::span<const uint8_t> resets, const std::vector<int64_t>& cuts,
                    const AdjointRules& rules, const SequenceState* start = nullptr) const {
    const size_t n = cuts.size() - 1;
    std::vector<SequenceState> states(n + 1);
    if (start != nullptr) states[0] = *start;
    std::vector<std::unique_ptr<Ctx>> passes;
    std::vector<Var> outs;
    for (size_t i = 0; i < n; ++i) {
      Input in = input(
          x.subspan(static_cast<size_t>(cuts[i] * case_.C), static_cast<size_t>((cuts[i + 1] - cuts[i]) * case_.C)));
      if (!resets.empty())
        in.resets = resets.subspan(static_cast<size_t>(cuts[i]), static_cast<size_t>(cuts[i + 1] - cuts[i]));
      states[i + 1] = states[i];
      in.states = {&states[i + 1]};
      {
        Ctx plain(in, options(false));
        forward(plain);
        plain.commit();
      }
      in.states = {&states[i]};
      passes.push_back(std::make_unique<Ctx>(in, options(true)));
      outs.push_back(forward(*passes.back()));
    }
    Result r;
    std::vector<std::vector<double>> dx(n);
    for (size_t i = n; i-- > 0;) {
      Ctx& ctx = *passes[i];
      if (i + 1 < n) ctx.adjoint_in[0] = passes[i + 1]->adjoint_out[0];
      seed(ctx, outs[i], static_cast<size_t>(cuts[i] * case_.C));
      const std::vector<double> y = copy(ctx, outs[i], false);
      r.y.insert(r.y.begin(), y.begin(), y.end());
      ctx.backward(rules);
      dx[i] = copy(ctx, 0, true);
    }
    for (const auto& part : dx) r.dx.insert(r.dx.end(), part.begin(), part.end());
    return r;
  }
  // Token by token with the state advanced in place.
  std::vector<double> run_steps(std::span<const float> x, int64_t at_once) const {
    SequenceState state;
    std::vector<double> y;
    for (int64_t t = 0; t < static_cast<int64_t>(x.size()) / case_.C; t += at_once) {
      const size_t first = static_cast<size_t>(t * case_.C);
      Input in = input(x.subspan(first, std::min(x.size() - first, static_cast<size_t>(at_once * case_.C))));
      in.states = {&state};
      CtxOptions o = options(false);
      o.in_place = true;
      Ctx ctx(in, o);
      const std::vector<double> part = copy(ctx, forward(ctx), false);
      y.insert(y.end(), part.begin(), part.end());
      ctx.commit();
    }
    return y;
  }
  std::vector<double> copy(const Ctx& ctx, Var v, bool gradient) const {
    std::vector<double> out(static_cast<size_t>(ctx.rows(v) * ctx.cols(v)));
    Ctx& c = const_cast<Ctx&>(ctx);
    for (size_t i = 0; i < out.size(); ++i) {
      if (dtype_ == DType::kF64)
        out[i] = gradient ? c.grad<double>(v)[i] : c.data<double>(v)[i];
      else
        out[i] = static_cast<double>(gradient ? c.grad<float>(v)[i] : c.data<float>(v)[i]);
    }
    return out;
  }
  void seed(Ctx& ctx, Var y, size_t first) const {
    const size_t n = static_cast<size_t>(ctx.rows(y) * ctx.cols(y));
    if (dtype_ == DType::kF64)
      std::generate_n(ctx.grad<double>(y), n, [i = first]() mutable { return seed_of(i++); });
    else
      std::generate_n(ctx.grad<float>(y), n, [i = first]() mutable { return static_cast<float>(seed_of(i++)); });
  }
  const MixerCase& the_case() const { return case_; }

 private:
  MixerCase case_;
  DType dtype_;
  Weight *back_ = nullptr, *embedding_ = nullptr;
};

}  // namespace hindscan::mixer_test
