// Role attention: causal softmax attention; the state is the keys and values of the tokens seen. Adjoint: exact, or the
// value path alone (weights constant), or in shares (half to v, a quarter each to k and q), or one MixerPath: value v,
// write k, read q.
#include "core/ops/softmax_attention.h"

#include <algorithm>
#include <optional>

#include "core/ops/carried.h"
#include "kernels/attention.h"
#include "kernels/attention_shared.h"

namespace hindscan::ops {

using kernels::AttentionDims;
using kernels::AttentionGrads;
using kernels::AttentionInputs;

namespace {

// Keys and values a segment reads: cached ones, then its own.
template <class R>
struct SegmentKeys {
  int64_t past = 0;
  const R *k = nullptr, *v = nullptr;
};

template <class R>
struct AttentionOp {
  Attention in;
  Var out;
  AttentionDims dims;  // T of the whole pass, past of no segment
  Carried k_slot, v_slot;
  std::vector<SegmentKeys<R>> keys;  // of each segment; shared rows in front of them apart
  R* lse;                            // [T, heads]

  int64_t k_width() const { return dims.kv_heads * dims.d; }
  int64_t v_width() const { return dims.kv_heads * dims.d_v; }
  int64_t y_width() const { return dims.heads * dims.d_v; }
  AttentionDims dims_of(const Segment& g, size_t s) const {
    AttentionDims d = dims;
    d.T = g.end - g.begin;
    d.past = keys[s].past;
    return d;
  }
  AttentionInputs<R> inputs(const Ctx& ctx, const Segment& g, size_t s) const {
    return {ctx.data<R>(in.q) + g.begin * dims.heads * dims.d, keys[s].k, keys[s].v};
  }
  // Rows of the state that a later token may see.
  int64_t kept(int64_t tokens) const { return dims.window > 0 ? std::min(tokens, dims.window - 1) : tokens; }
  // Keys and values of segment s: of a state that is advanced in place, where they are; else one array of the cached
  // and the new ones, of which the state keeps what a later token may see.
  void find_keys(Ctx& ctx, const Segment& g, size_t s);
  // Adds the rows that sequences of a running pass share to what their tokens attend to.
  void attend_shared(const Ctx& ctx, std::span<const Segment> segments) const;
  SequenceState::SharedRows shared_of(const Ctx& ctx, const Segment& g, const Carried& slot) const {
    SequenceState* state = g.carries_in ? ctx.state_of(g.seq) : nullptr;
    return state == nullptr ? SequenceState::SharedRows() : state->shared_rows(ctx.names(), slot);
  }
  std::shared_ptr<SoftmaxDetail<R>> detail(const Ctx& ctx) const;
  void backward(Ctx& ctx, Arena& scratch, const LocalRule& on) const;

 private:
  const R* appended(Ctx& ctx, const Segment& g, size_t s, const Carried& slot, Var x);
  const R* gathered(Ctx& ctx, const Segment& g, size_t s, const SequenceState::Rows& cached, Var x) const;
  void leave(Ctx& ctx, const Segment& g, const Carried& slot, const R* rows, int64_t count) const;
};

AttentionDims check_attention(const Ctx& ctx, const Attention& in) {
  const int64_t T = ctx.rows(in.q);
  check(in.heads > 0 && in.kv_heads > 0 && in.heads % in.kv_heads == 0 && in.window >= 0, ErrorCode::kData,
        "[attention] expected heads a multiple of key-value heads and a window >= 0, found {}, {} and {}", in.heads,
        in.kv_heads, in.window);
  const int64_t d = ctx.cols(in.q) / in.heads, d_v = ctx.cols(in.v) / in.kv_heads;
  check(ctx.cols(in.q) == in.heads * d && ctx.cols(in.k) == in.kv_heads * d && ctx.cols(in.v) == in.kv_heads * d_v &&
            ctx.rows(in.k) == T && ctx.rows(in.v) == T,
        ErrorCode::kData,
        "[attention] expected q, k, v of {} and {} heads of one width, found [{}, {}], [{}, {}] and [{}, {}]", in.heads,
        in.kv_heads, T, ctx.cols(in.q), ctx.rows(in.k), ctx.cols(in.k), ctx.rows(in.v), ctx.cols(in.v));
  return {T, 0, in.heads, in.kv_heads, d, d_v, in.window, in.scale, in.soft_cap};
}

// The adjoint of cached and new rows of keys or values: starts with what later passes left of it, ends where it
// belongs.
template <class R>
class RowsAdjoint {
 public:
  RowsAdjoint(Ctx& ctx, Arena& scratch, const Segment& g, const Carried& slot, Var x, int64_t past, int64_t width,
              bool windowed)
      : ctx_(ctx), g_(g), name_(ctx.name_of(slot)), past_(past), width_(width), own_(ctx.grad<R>(x) + g.begin * width) {
    const int64_t n = past + g.end - g.begin;
    full_ = past == 0 ? own_ : zeros<R>(scratch, n * width);
    if (!g.carries_out) return;
    const SequenceState::Rows later = ctx.adjoint_after(ctx.last_of(g.seq)).rows(name_, width, ctx.compute());
    const int64_t out = std::max<int64_t>(0, later.count - n), count = later.count - out;  // of the window
    check(out == 0 || windowed, ErrorCode::kInternal, "[{}] expected the adjoint of at most {} rows, found {}", name_,
          n, later.count);
    if (count > 0)
      kernels::accumulate(count * width, static_cast<const R*>(later.data) + out * width, full_ + (n - count) * width);
  }
  R* data() const { return full_; }  // [past + T, width]
  void finish() const {
    if (past_ == 0) return;
    kernels::accumulate((g_.end - g_.begin) * width_, full_ + past_ * width_, own_);
    std::copy_n(
        full_, past_ * width_,
        static_cast<R*>(ctx_.adjoint_out[static_cast<size_t>(g_.seq)].put(name_, {past_, width_}, ctx_.compute())));
  }

 private:
  Ctx& ctx_;
  const Segment& g_;
  const std::string& name_;
  int64_t past_, width_;
  R *own_, *full_;
};

// Values share with the weights, and of the weights' part the query with the key.
template <class R>
void shared_backward(double share, const AttentionDims& dims, const AttentionInputs<R>& in, const R* y, const R* lse,
                     const R* dy, const AttentionGrads<R>& to, Arena& scratch) {
  if (share == 1) return kernels::attention_backward(dims, in, y, lse, dy, to);
  const int64_t n = dims.T * dims.heads * dims.d_v;
  R* part = scratch.array<R>(static_cast<size_t>(n));  // [T, heads*d_v]
  const auto back = [&](double by, const AttentionGrads<R>& grads) {
    for (int64_t i = 0; i < n; ++i) part[i] = static_cast<R>(by) * dy[i];
    kernels::attention_backward(dims, in, y, lse, part, grads);
  };
  back(share, {nullptr, nullptr, to.dv});
  back(share * share, {to.dq, to.dk, nullptr});
}

template <class R>
void AttentionOp<R>::backward(Ctx& ctx, Arena& scratch, const LocalRule& on) const {
  if (!on.value && !on.write && !on.read) return;
  const R *dy = ctx.grad<R>(out), *y = ctx.data<R>(out);
  const std::vector<Segment>& segments = ctx.joined(ctx.layout(in.q).segments);
  for (size_t s = segments.size(); s-- > 0;) {
    const Segment& g = segments[s];
    const ArenaScope scope(scratch);
    std::optional<RowsAdjoint<R>> dk, dv;
    AttentionGrads<R> grads;
    if (on.read) grads.dq = ctx.grad<R>(in.q) + g.begin * dims.heads * dims.d;
    if (on.write) grads.dk = dk.emplace(ctx, scratch, g, k_slot, in.k, keys[s].past, k_width(), dims.window > 0).data();
    if (on.value) grads.dv = dv.emplace(ctx, scratch, g, v_slot, in.v, keys[s].past, v_width(), dims.window > 0).data();
    if (g.end > g.begin) {
      shared_backward(on.share, dims_of(g, s), inputs(ctx, g, s), y + g.begin * y_width(), lse + g.begin * dims.heads,
                      dy + g.begin * y_width(), grads, scratch);
    }
    if (dk) dk->finish();
    if (dv) dv->finish();
  }
}

template <class R>
const R* AttentionOp<R>::appended(Ctx& ctx, const Segment& g, size_t s, const Carried& slot, Var x) {
  const DType type = ctx.options().compute;
  const int64_t n = g.end - g.begin, width = ctx.cols(x);
  const int64_t keep = !g.carries_in ? 0 : dims.window > 0 ? dims.window - 1 : -1;
  SequenceState& state = *ctx.state_of(g.seq);
  std::copy_n(ctx.data<R>(x) + g.begin * width, n * width,
              static_cast<R*>(state.append_rows(ctx.names(), slot, type, n, keep)));
  const SequenceState::Rows rows = state.rows(ctx.names(), slot, type);
  keys[s].past = rows.count - n;
  return static_cast<const R*>(rows.data);
}

// Cached rows before the segment's own; the first segment's go on over the whole pass, as explain/ reads them.
template <class R>
const R* AttentionOp<R>::gathered(Ctx& ctx, const Segment& g, size_t s, const SequenceState::Rows& cached,
                                  Var x) const {
  const int64_t width = ctx.cols(x), count = (s == 0 ? dims.T : g.end) - g.begin;
  const R* own = ctx.data<R>(x) + g.begin * width;
  if (cached.count == 0) return own;
  R* rows = ctx.arena().array<R>(static_cast<size_t>((cached.count + count) * width));  // [past + T, width]
  std::copy_n(static_cast<const R*>(cached.data), cached.count * width, rows);
  std::copy_n(own, count * width, rows + cached.count * width);
  return rows;
}

template <class R>
void AttentionOp<R>::leave(Ctx& ctx, const Segment& g, const Carried& slot, const R* rows, int64_t count) const {
  // A chained pass leaves what its own tokens saw as well: they may be asked for again.
  const int64_t own = ctx.options().chained ? dims.T : 0, rows_kept = std::min(count, kept(count) + own);
  const int64_t width = slot.shape[1];
  std::copy_n(rows + (count - rows_kept) * width, rows_kept * width,
              ctx.carry_out<R>(ctx.last_of(g.seq), {slot.slot, {rows_kept, width}}));
}

template <class R>
void AttentionOp<R>::find_keys(Ctx& ctx, const Segment& g, size_t s) {
  const DType type = ctx.options().compute;
  SequenceState* state = ctx.state_of(g.seq);
  if (ctx.options().in_place && state != nullptr && g.carries_out) {
    keys[s].k = appended(ctx, g, s, k_slot, in.k);
    keys[s].v = appended(ctx, g, s, v_slot, in.v);
    return;
  }
  const bool cached = g.carries_in && state != nullptr;
  const SequenceState::Rows k = cached ? state->rows(ctx.names(), k_slot, type) : SequenceState::Rows();
  const SequenceState::Rows v = cached ? state->rows(ctx.names(), v_slot, type) : SequenceState::Rows();
  check(k.count == v.count, ErrorCode::kData, "[state {}] expected as many values as keys, found {} and {}",
        ctx.name_of(k_slot), v.count, k.count);
  keys[s] = {k.count, gathered(ctx, g, s, k, in.k), gathered(ctx, g, s, v, in.v)};
  if (!g.carries_out || state == nullptr) return;
  leave(ctx, g, k_slot, keys[s].k, k.count + g.end - g.begin);
  leave(ctx, g, v_slot, keys[s].v, k.count + g.end - g.begin);
}

template <class R>
void AttentionOp<R>::attend_shared(const Ctx& ctx, std::span<const Segment> segments) const {
  std::vector<kernels::SharedView> views(static_cast<size_t>(dims.T));
  const void *k = nullptr, *v = nullptr;
  for (size_t s = 0; s < segments.size(); ++s) {
    const Segment& g = segments[s];
    const SequenceState::SharedRows rows = shared_of(ctx, g, k_slot);
    if (rows.count == 0) continue;
    check(k == nullptr || k == rows.data, ErrorCode::kInternal, "[{}] expected one array of shared rows, found more",
          ctx.name_of(k_slot));
    k = rows.data;
    v = shared_of(ctx, g, v_slot).data;
    const kernels::SharedView all{rows.count, rows.gap_begin, rows.gap_end};
    for (int64_t t = g.begin; t < g.end; ++t)
      views[static_cast<size_t>(t)] = dims.window == 0 ? all : all.last(dims.window - keys[s].past - (t - g.begin) - 1);
  }
  if (k == nullptr) return;
  kernels::attend_shared(dims, ctx.data<R>(in.q), static_cast<const R*>(k), static_cast<const R*>(v), views.data(),
                         ctx.data<R>(out), lse);
}

template <class R>
std::shared_ptr<SoftmaxDetail<R>> AttentionOp<R>::detail(const Ctx& ctx) const {
  auto out_detail = std::make_shared<SoftmaxDetail<R>>();
  SoftmaxDetail<R>& d = *out_detail;
  d.values = in.v;
  d.writes = in.v;
  d.state = ctx.name_of(k_slot);
  d.value_state = ctx.name_of(v_slot);
  d.T = dims.T;
  d.past = keys.empty() ? 0 : keys[0].past;
  d.heads = dims.heads;
  d.kv_heads = dims.kv_heads;
  d.d = dims.d;
  d.d_v = dims.d_v;
  d.window = dims.window;
  d.scale = dims.scale;
  d.soft_cap = dims.soft_cap;
  d.q = ctx.data<R>(in.q);
  d.k = keys.empty() ? ctx.data<R>(in.k) : keys[0].k;
  d.v = keys.empty() ? ctx.data<R>(in.v) : keys[0].v;
  d.y = ctx.data<R>(out);
  d.lse = lse;
  d.state_shape = {d.past, k_width()};
  return out_detail;
}

}  // namespace

Var softmax_attention(Ctx& ctx, const Attention& in) {
  const AttentionDims dims = check_attention(ctx, in);
  const Carried k_slot = ctx.carry("k", {0, dims.kv_heads * dims.d}),
                v_slot = ctx.carry("v", {0, dims.kv_heads * dims.d_v});
  const std::vector<Segment>& segments = ctx.joined(ctx.layout(in.q).segments);
  const Var out = ctx.make_like(in.q, dims.heads * dims.d_v);  // [T, heads*d_v]
  ctx.with_real([&]<class R>(R) {
    AttentionOp<R> op{in, out, dims, k_slot, v_slot, std::vector<SegmentKeys<R>>(segments.size()), nullptr};
    const bool shared = std::any_of(segments.begin(), segments.end(),
                                    [&](const Segment& g) { return op.shared_of(ctx, g, k_slot).count > 0; });
    check(!shared || !ctx.options().record, ErrorCode::kInternal, "[{}] expected a running pass over shared rows",
          ctx.name_of(k_slot));
    if (shared || ctx.recording()) op.lse = ctx.arena().array<R>(static_cast<size_t>(dims.T * dims.heads));
    for (size_t s = 0; s < segments.size(); ++s) {
      const Segment& g = segments[s];
      op.find_keys(ctx, g, s);
      if (g.end == g.begin) continue;
      kernels::attention_forward(op.dims_of(g, s), op.inputs(ctx, g, s), ctx.data<R>(out) + g.begin * op.y_width(),
                                 op.lse == nullptr ? nullptr : op.lse + g.begin * dims.heads);
    }
    if (shared) op.attend_shared(ctx, segments);
    if (!ctx.record(Role::kAttention, {in.q, in.k, in.v}, out, {})) return;
    auto detail = op.detail(ctx);
    ctx.set_adjoint([op, &ctx](const LocalRule& rule) { op.backward(ctx, ctx.scratch(), rule); }, std::move(detail));
  });
  return out;
}

}  // namespace hindscan::ops
