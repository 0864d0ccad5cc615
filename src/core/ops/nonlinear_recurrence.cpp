// Role nonlinear: RNN, GRU, LSTM, sLSTM. Adjoint: exact, through time; or with gates, normaliser and tanh(z)/z held,
// where the recurrence is linear in x and h; or one MixerPath, by the gate of x the exact adjoint arrives at: value
// candidate, write input gate, decay forget or update gate, read output or reset gate.
#include "core/ops/nonlinear_recurrence.h"

#include "core/ops/carried.h"
#include "core/ops/linear_product.h"
#include "core/ops/op_support.h"
#include "kernels/nonlinear_recurrence.h"

namespace hindscan::ops {

using kernels::Cell;
using kernels::CellDims;
using kernels::CellRun;
using kernels::CellWeights;

namespace {

Cell cell_of(Nonlinear::Kind kind) {
  switch (kind) {
    case Nonlinear::Kind::kTanh:
      return Cell::kTanh;
    case Nonlinear::Kind::kRelu:
      return Cell::kRelu;
    case Nonlinear::Kind::kGru:
      return Cell::kGru;
    case Nonlinear::Kind::kLstm:
      return Cell::kLstm;
    case Nonlinear::Kind::kSlstm:
      return Cell::kSlstm;
  }
  return Cell::kTanh;
}

// Whether a gate's part of x carries the adjoint.
bool carries(const LocalRule& on, Cell cell, int64_t gate) {
  const bool gru[] = {on.read, on.decay, on.value}, gated[] = {on.write, on.decay, on.value, on.read};
  if (cell == Cell::kTanh || cell == Cell::kRelu) return on.value;
  return cell == Cell::kGru ? gru[gate] : gated[gate];
}

template <class R>
struct CellOp {
  Nonlinear in;
  Var out;
  CellDims dims;  // T of the whole pass
  CellWeights<R> weights;
  CarriedSlot state;
  std::vector<CellRun> runs;  // the segments
  R *tape, *state0;           // [T, cell_tape, H*d], [segments, states, H*d]

  int64_t n() const { return dims.H * dims.d; }
  int64_t gates() const { return cell_gates(dims.cell); }
  int64_t at(size_t segment) const { return static_cast<int64_t>(segment) * state.size(); }
  // Segments that may run side by side; of a chained pass each waits for the one before it.
  size_t together(const Ctx& ctx) const { return ctx.options().chained ? 1 : runs.size(); }
  // dbias [gates*H*d] is added to.
  void backward(Ctx& ctx, Arena& scratch, const LocalRule& on, R* dhidden, R* dbias) const;
};

template <class R>
void CellOp<R>::backward(Ctx& ctx, Arena& scratch, const LocalRule& on, R* dhidden, R* dbias) const {
  const bool frozen = !on.coefficient, all = on.value && (frozen || on.any_coefficient());
  const int64_t width = gates() * n();
  const R *dy = ctx.grad<R>(out), *y = ctx.data<R>(out);
  R* target = ctx.grad<R>(in.x);  // [T, gates*H*d]
  R* dx = all ? target : zeros<R>(scratch, dims.T * width);
  const std::vector<Segment>& segments = ctx.layout(in.x).segments;
  const size_t at_once = together(ctx);
  R* dstate = scratch.array<R>(at_once * static_cast<size_t>(state.size()));  // [at_once, states, H*d]
  for (size_t end = segments.size(); end > 0; end -= at_once) {
    const size_t first = end - at_once;
    const std::span<const CellRun> some = std::span(runs).subspan(first, at_once);
    for (size_t s = first; s < end; ++s) state.load_adjoint(ctx, segments[s], dstate + at(s - first));
    if (frozen)
      kernels::cell_frozen_adjoint(dims, some, weights, tape, dy, {dx, nullptr, dbias, dstate});
    else
      kernels::cell_backward(dims, some, weights, tape, state0 + at(first), y, dy, {dx, dhidden, dbias, dstate});
    for (size_t s = first; s < end && on.value; ++s) state.store_adjoint(ctx, segments[s], dstate + at(s - first));
  }
  if (all) return;
  for (int64_t at = 0; at < dims.T * gates(); ++at) {
    if (carries(on, dims.cell, at % gates())) kernels::accumulate(n(), dx + at * n(), target + at * n());
  }
}

}  // namespace

Var nonlinear_recurrence(Ctx& ctx, const Nonlinear& in) {
  const Cell cell = cell_of(in.kind);
  const int64_t T = ctx.rows(in.x), gates = cell_gates(cell), width = ctx.cols(in.x);
  check(in.heads > 0 && width % (gates * in.heads) == 0, ErrorCode::kData,
        "[nonlinear recurrence] expected {} gates x {} heads of channels, found {}", gates, in.heads, width);
  const int64_t d = width / (gates * in.heads);
  check(in.R->size() == width * d, ErrorCode::kData, "[nonlinear recurrence] {} must be [{}, {}] but is [{}]",
        in.R->name, width, d, fmt::join(in.R->shape, ", "));
  check(in.r_bias == nullptr || in.r_bias->size() == width, ErrorCode::kData, "[nonlinear recurrence] {} must be [{}]",
        in.r_bias == nullptr ? "" : in.r_bias->name, width);
  const CarriedSlot state{ctx.carry("h", {cell_states(cell), in.heads * d})};
  const std::vector<Segment>& segments = ctx.layout(in.x).segments;
  const Var out = ctx.make_like(in.x, in.heads * d);  // [T, H*d]
  ctx.with_real([&]<class R>(R) {
    CellOp<R> op{
        in,
        out,
        {cell, T, in.heads, d},
        {weight_part<R>(*in.R, 0, in.R->size(), ctx.arena()), in.r_bias == nullptr ? nullptr : in.r_bias->as<R>()},
        state,
        {},
        nullptr,
        nullptr};
    const int64_t size = state.size();
    const ArenaScope states(ctx.scratch());
    R* now = ctx.scratch().array<R>(segments.size() * static_cast<size_t>(size));  // [segments, states, H*d]
    for (const Segment& g : segments) op.runs.push_back({g.begin, g.end - g.begin});
    if (ctx.recording()) {
      op.tape = ctx.arena().array<R>(static_cast<size_t>(T * cell_tape(cell) * op.n()));
      op.state0 = ctx.arena().array<R>(segments.size() * static_cast<size_t>(size));
    }
    for (size_t first = 0, at_once = op.together(ctx); first < segments.size(); first += at_once) {
      const size_t end = first + at_once;
      for (size_t s = first; s < end; ++s) state.load(ctx, segments[s], now + op.at(s));
      if (op.state0 != nullptr)
        std::copy_n(now + op.at(first), static_cast<int64_t>(at_once) * size, op.state0 + op.at(first));
      kernels::cell_forward(op.dims, std::span(op.runs).subspan(first, at_once), op.weights, ctx.data<R>(in.x),
                            now + op.at(first), ctx.data<R>(out), op.tape);
      for (size_t s = first; s < end; ++s) {
        const Segment& g = segments[s];
        if (g.carries_out) std::copy_n(now + op.at(s), size, ctx.carry_out<R>(g.seq, state));
      }
    }
    if (!ctx.recording()) return;
    auto detail = std::make_shared<NonlinearDetail<R>>();
    detail->values = in.x;
    detail->writes = in.x;
    detail->state = ctx.name_of(state);
    detail->state_shape = state.shape.list();
    detail->dims = op.dims;
    detail->weights = op.weights;
    detail->x = ctx.data<R>(in.x);
    detail->y = ctx.data<R>(out);
    detail->tape = op.tape;
    ctx.record(Role::kNonlinear, {in.x}, out, {in.R, in.r_bias});
    ctx.set_adjoint(
        [op, width, &ctx](const LocalRule& rule) {
          if (!rule.any_input()) return;
          const ArenaScope scope(ctx.scratch());
          R* dhidden = rule.weights ? ctx.options().grads->of<R>(*op.in.R) : nullptr;
          R* dbias = op.in.r_bias != nullptr && rule.value ? zeros<R>(ctx.scratch(), width) : nullptr;
          op.backward(ctx, ctx.scratch(), rule, dhidden, dbias);
          if (dbias != nullptr) bias_backward(ctx, *op.in.r_bias, 0, 1, width, dbias, rule);
        },
        std::move(detail));
  });
  return out;
}

}  // namespace hindscan::ops
