// Passes of a whole model over sequences: what the conformance test compares with each other.
#pragma once
#include "arch_golden.h"
#include "core/ops/linear.h"
#include "core/ops/losses.h"

namespace hindscan::testing {

// Sequences end to end, as one input.
struct Packed {
  Sequence all;
  std::vector<int64_t> cu = {0};
  void add(const Sequence& s) {
    all.append(s);
    cu.push_back(all.length());
  }
};

// Logits [rows, vocab or labels] of the family's head in the precision of the pass.
template <class R>
std::vector<R> logits_of(const Model& model, Ctx& ctx, Var h) {
  const LogitHead head = model.arch().logit_head();
  const Var raw = ops::linear(ctx, *head.weight, nullptr, h);  // [rows, vocab]
  const int64_t V = ctx.cols(raw);
  std::vector<R> out(ctx.data<R>(raw), ctx.data<R>(raw) + ctx.rows(raw) * V);
  for (size_t i = 0; i < out.size(); ++i) {
    double x = head.scale * static_cast<double>(out[i]);
    if (head.bias != nullptr) x += static_cast<double>(head.bias->as<R>()[i % static_cast<size_t>(V)]);
    if (head.soft_cap > 0) x = head.soft_cap * std::tanh(x / head.soft_cap);
    out[i] = static_cast<R>(x);
  }
  return out;
}

// One pass; advances the states of the input.
template <class R>
std::vector<R> run(const Model& model, const Input& input) {
  CtxOptions options;
  options.compute = kType<R>;
  Ctx ctx(input, options);
  const Var h = model.arch().forward(ctx);  // [T, d_model]
  std::vector<R> out = logits_of<R>(model, ctx, h);
  ctx.commit();
  return out;
}

template <class R>
std::vector<R> run(const Model& model, const Sequence& sequence, SequenceState* state = nullptr) {
  Input input = sequence.input();
  if (state != nullptr) input.states = {state};
  return run<R>(model, input);
}

template <class R>
std::vector<R> run_in_chunks(const Model& model, const Sequence& sequence, int64_t chunk, SequenceState& state) {
  std::vector<R> all;
  for (int64_t t = 0; t < sequence.length(); t += chunk) {
    const std::vector<R> rows = run<R>(model, sequence.part(t, std::min(chunk, sequence.length() - t)), &state);
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

// Adds the gradients of the weighted losses of a pass and gives their sum; adjoint_in and adjoint_out as in Ctx.
template <class R>
double add_gradients(const Model& model, const Input& input, std::span<const int32_t> targets,
                     std::span<const float> weights, bool recompute, GradTable& grads,
                     SequenceState* adjoint = nullptr) {
  CtxOptions options;
  options.compute = kType<R>;
  options.record = true;
  options.recompute = recompute;
  options.grads = &grads;
  Ctx ctx(input, options);
  std::vector<double> losses(targets.size());
  ops::cross_entropy(ctx, model.arch().logit_head(), model.arch().forward(ctx), targets, weights, losses);
  if (adjoint != nullptr) ctx.adjoint_in[0] = std::move(*adjoint);
  ctx.backward(training_rules());
  if (adjoint != nullptr) *adjoint = std::move(ctx.adjoint_out[0]);
  double sum = 0;
  for (size_t t = 0; t < losses.size(); ++t) sum += losses[t] * static_cast<double>(weights[t]);
  return sum;
}

}  // namespace hindscan::testing
