#include "explain/reverse_walk.h"

#include <algorithm>

#include "base/signals.h"

namespace hindscan {

void ReverseWalk::record(int64_t first, SequenceState& state, const Visit& visit) {
  throw_if_stopped();
  const int64_t count = std::min(plan_.chunk, plan_.length() - first);
  Input input = plan_.slice(first, count);
  input.states = {&state};
  CtxOptions options;
  options.record = true;
  options.compute = model_.compute();
  options.use(room_);
  if (plan_.change) {
    options.tap = [this, first](const TapView& view) {
      if (view.name == "embedding") plan_.change(first, view);
    };
  }
  Ctx ctx(input, std::move(options));
  const Var h = model_.arch().forward(ctx);  // [count, d_model], or [1, d_model] pooled
  visit(ctx, h, first, count);
  ctx.commit();
}

void ReverseWalk::run(const Visit& forward, const Visit& back) {
  const int64_t T = plan_.length(), chunks = (T + plan_.chunk - 1) / plan_.chunk;
  ProgressTask progress(plan_.progress, "explain", "tokens", static_cast<uint64_t>(T));
  double work = 0;  // done, in tokens forward
  const auto step = [&](int64_t count, double each) {
    work += static_cast<double>(count) * each;
    progress.set(static_cast<uint64_t>(work / (1 + plan_.back_work)));
  };
  SequenceState state = plan_.state_in == nullptr ? SequenceState() : *plan_.state_in;
  borders_ = {};
  for (int64_t c = 0; c < chunks; ++c) {
    borders_.push(state);
    record(c * plan_.chunk, state, [&](Ctx& ctx, Var h, int64_t first, int64_t count) {
      forward(ctx, h, first, count);
      step(count, 1);
      if (c + 1 < chunks) return;
      back(ctx, h, first, count);
      step(count, plan_.back_work);
    });
  }
  for (int64_t c = chunks - 1; c-- > 0;) {
    state = borders_.at(static_cast<size_t>(c));
    record(c * plan_.chunk, state, [&](Ctx& ctx, Var h, int64_t first, int64_t count) {
      back(ctx, h, first, count);
      step(count, plan_.back_work);
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

SequenceState ReverseWalk::border_before(int64_t t, int64_t* at) const {
  const int64_t c = std::min(t / plan_.chunk, static_cast<int64_t>(borders_.size()) - 1);
  *at = c * plan_.chunk;
  return borders_.at(static_cast<size_t>(c));
}

}  // namespace hindscan
