#include "explain/reverse_walk.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/signals.h"

namespace hindscan {

void ReverseWalk::record(int64_t first, SequenceState& state, const Visit& visit) {
  throw_if_stopped();
  const int64_t count = std::min(plan_.chunk, length() - first);
  Input input;
  input.tokens = plan_.tokens.subspan(static_cast<size_t>(first), static_cast<size_t>(count));
  input.states = {&state};
  CtxOptions options;
  options.record = true;
  options.compute = model_.compute();
  options.arena = &arena_;
  Ctx ctx(input, std::move(options));
  const Var h = model_.arch().forward(ctx);  // [count, d_model]
  visit(ctx, h, first, count);
  ctx.commit();
}

void ReverseWalk::run(const Visit& forward, const Visit& back) {
  const int64_t T = length(), chunks = (T + plan_.chunk - 1) / plan_.chunk;
  ProgressTask progress(plan_.progress, "explain", "tokens", static_cast<uint64_t>(2 * T));
  SequenceState state = plan_.state_in == nullptr ? SequenceState() : *plan_.state_in;
  for (int64_t c = 0; c < chunks; ++c) {
    borders_.push_back(state);
    record(c * plan_.chunk, state, [&](Ctx& ctx, Var h, int64_t first, int64_t count) {
      forward(ctx, h, first, count);
      progress.step(static_cast<uint64_t>(count));
      if (c + 1 < chunks) return;
      back(ctx, h, first, count);
      progress.step(static_cast<uint64_t>(count));
    });
  }
  for (int64_t c = chunks - 1; c-- > 0;) {
    state = borders_[static_cast<size_t>(c)];
    record(c * plan_.chunk, state, [&](Ctx& ctx, Var h, int64_t first, int64_t count) {
      back(ctx, h, first, count);
      progress.step(static_cast<uint64_t>(count));
    });
  }
}

void ReverseWalk::run_forward(const Visit& forward, int64_t until) {
  ProgressTask progress(plan_.progress, "read", "tokens", static_cast<uint64_t>(until + 1));
  SequenceState state = plan_.state_in == nullptr ? SequenceState() : *plan_.state_in;
  for (int64_t first = 0; first <= until; first += plan_.chunk) {
    record(first, state, forward);
    progress.set(static_cast<uint64_t>(std::min(first + plan_.chunk, until + 1)));
  }
}

const SequenceState& ReverseWalk::border_before(int64_t t, int64_t* at) const {
  const int64_t c = std::min(t / plan_.chunk, static_cast<int64_t>(borders_.size()) - 1);
  *at = c * plan_.chunk;
  return borders_[static_cast<size_t>(c)];
}

int64_t recorded_bytes_per_token(const Model& model, std::span<const int32_t> tokens) {
  const auto used = [&](size_t n) {
    Input input;
    input.tokens = tokens.first(n);
    CtxOptions options;
    options.record = true;
    options.compute = model.compute();
    Ctx ctx(input, std::move(options));
    model.arch().forward(ctx);
    return static_cast<int64_t>(ctx.peak_bytes());
  };
  const std::vector<int32_t> sample(64, tokens.front());
  tokens = sample;
  const int64_t slope = (used(64) - used(16)) / 48;
  return 2 * std::max<int64_t>(slope, 1);  // every array has an adjoint of its size
}

}  // namespace hindscan
