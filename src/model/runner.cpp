// Running: the same forward pass for a prompt, one token, or a book of any length, in chunks at constant memory.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/counted.h"
#include "kernels/finite.h"
#include "kernels/gemm.h"
#include "model/model.h"
#include "model/pass_cost.h"

namespace hindscan {

namespace {

// [count, V] in place: soft_cap tanh((scale x + bias) / soft_cap).
template <class R>
void finish_logits(const LogitHead& head, int64_t count, int64_t V, R* rows) {
  if (head.bias == nullptr && head.scale == 1 && head.soft_cap <= 0) return;
  const R* bias = head.bias != nullptr ? head.bias->as<R>() : nullptr;
  const R scale = static_cast<R>(head.scale), cap = static_cast<R>(head.soft_cap);
  for (int64_t i = 0; i < count * V; ++i) {
    const R x = scale * rows[i] + (bias != nullptr ? bias[i % V] : R(0));
    rows[i] = cap > 0 ? cap * std::tanh(x / cap) : x;
  }
}

// h [T, d_model] of one chunk in the compute type -> logits of rows [first, first + count), as float.
void head_rows(const Model& model, const Ctx& ctx, Var h, int64_t first, int64_t count, float* out) {
  const LogitHead head = model.arch().logit_head();
  const Weight& w = *head.weight;
  const int64_t C = w.cols(), V = w.rows();
  if (model.compute() == DType::kF64) {
    std::vector<double> wide(static_cast<size_t>(count * V));  // [count, vocab]
    kernels::linear(count, V, C, ctx.data<double>(h) + first * C, w.data, w.dtype, wide.data());
    finish_logits(head, count, V, wide.data());
    std::transform(wide.begin(), wide.end(), out, [](double v) { return static_cast<float>(v); });
    return;
  }
  kernels::linear(count, V, C, ctx.data<float>(h) + first * C, w.data, w.dtype, out);
  finish_logits(head, count, V, out);
}

void check_logits(const Model& model, int64_t position, int64_t count, std::span<const float> rows) {
  const int64_t V = model.arch().head().rows(), bad = kernels::first_non_finite(count * V, rows.data());
  check(bad < 0, ErrorCode::kData,
        "[{}] expected finite logits, found {} for token {} at position {}; the weights or the state are damaged or "
        "too large",
        model.arch().head().name, bad < 0 ? 0.0f : rows[static_cast<size_t>(bad)], bad % V, position + bad / V);
}

// A classifier gives one row a sequence, not one a token.
void require_language_model(const Model& model) {
  const ArchitectureSizes s = model.arch().sizes();
  const std::string name = model.path().empty() ? "model" : model.path();
  check(s.feature_dim == 0, ErrorCode::kData,
        "[{}] expected a model of tokens, found one that reads feature vectors of {}", name,
        counted(s.feature_dim, "number"));
  check(s.labels == 0, ErrorCode::kData,
        "[{}] expected a language model, found a {} of {} a sequence; it predicts no next token", name,
        s.regression ? "regression model" : "classifier", counted(s.labels, "output"));
}

}  // namespace

template <class F>
void Runner::chunks(std::span<const int32_t> tokens, SequenceState& state, F&& each) {
  require_language_model(model_);
  model_.check_tokens(tokens);
  const int64_t T = static_cast<int64_t>(tokens.size());
  for (int64_t first = 0; first < T; first += chunk_) {
    const int64_t n = std::min(chunk_, T - first);
    Input input;
    input.tokens = tokens.subspan(static_cast<size_t>(first), static_cast<size_t>(n));
    input.states = {&state};
    CtxOptions options;
    options.compute = model_.compute();
    options.tap = tap;
    options.arena = &arena_;
    options.scratch = &scratch_;
    options.in_place = true;
    Ctx ctx(input, options);
    const Var h = model_.arch().forward(ctx);  // [n, d_model]
    each(ctx, h, first, n);
    ctx.commit();
    if (on_chunk) on_chunk(first + n);
  }
}

std::span<const float> Runner::step(std::span<const int32_t> tokens, SequenceState& state) {
  check(!tokens.empty(), ErrorCode::kUsage, "[run] expected at least one token, found none; give a prompt");
  const int64_t T = static_cast<int64_t>(tokens.size());
  logits_.resize(static_cast<size_t>(model_.arch().head().rows()));
  chunks(tokens, state, [&](Ctx& ctx, Var h, int64_t first, int64_t n) {
    if (first + n < T) return;
    head_rows(model_, ctx, h, n - 1, 1, logits_.data());
    check_logits(model_, T - 1, 1, logits_);
  });
  return logits_;
}

void Runner::logits(std::span<const int32_t> tokens, SequenceState& state,
                    const std::function<void(int64_t, int64_t, const float*)>& sink) {
  const int64_t V = model_.arch().head().rows(), block = logit_rows(model_, chunk_);
  std::vector<float> rows(static_cast<size_t>(block * V));  // [block, vocab]
  chunks(tokens, state, [&](Ctx& ctx, Var h, int64_t first, int64_t n) {
    for (int64_t r = 0; r < n; r += block) {
      const int64_t count = std::min(block, n - r);
      head_rows(model_, ctx, h, r, count, rows.data());
      check_logits(model_, first + r, count, rows);
      sink(first + r, count, rows.data());
    }
  });
}

void Runner::score(std::span<const int32_t> tokens, SequenceState& state, std::span<double> log_probs) {
  const int64_t T = static_cast<int64_t>(tokens.size());
  check(static_cast<int64_t>(log_probs.size()) == T, ErrorCode::kInternal, "[score] expected {} outputs, found {}", T,
        log_probs.size());
  if (T > 0) log_probs[0] = std::numeric_limits<double>::quiet_NaN();
  chunks(tokens, state, [&](Ctx& ctx, Var h, int64_t first, int64_t n) {
    const int64_t scored = std::min(n, T - 1 - first);  // the last token predicts nothing here
    if (scored <= 0) return;
    std::vector<int32_t> targets(static_cast<size_t>(n), 0);
    for (int64_t t = 0; t < scored; ++t) targets[static_cast<size_t>(t)] = tokens[static_cast<size_t>(first + t + 1)];
    std::vector<double> nats(static_cast<size_t>(n));
    ctx.cross_entropy(model_.arch().logit_head(), h, targets, {}, nats);
    for (int64_t t = 0; t < scored; ++t) {
      const double nat = nats[static_cast<size_t>(t)];
      check(std::isfinite(nat), ErrorCode::kData,
            "[score] expected a finite log-probability of token {}, found {}; the weights or the state are damaged or "
            "too large",
            first + t + 1, -nat);
      log_probs[static_cast<size_t>(first + t + 1)] = -nat;
    }
  });
}

}  // namespace hindscan
