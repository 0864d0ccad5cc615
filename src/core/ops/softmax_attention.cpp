// Role attention: causal softmax attention; the state is the keys and values of the tokens seen. Adjoint: exact, or the
// value path alone (weights constant), or one MixerPath: value v, write k, read q.
#include "core/ops/softmax_attention.h"

#include <optional>

#include "core/ops/carried.h"
#include "kernels/attention.h"

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
  std::vector<SegmentKeys<R>> keys;  // of each segment
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
  void backward(Ctx& ctx, Arena& scratch, const LocalRule& on) const;
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
  RowsAdjoint(Ctx& ctx, Arena& scratch, const Segment& g, const Carried& slot, Var x, int64_t past, int64_t width)
      : ctx_(ctx), g_(g), name_(ctx.name_of(slot)), past_(past), width_(width), own_(ctx.grad<R>(x) + g.begin * width) {
    const int64_t n = past + g.end - g.begin;
    full_ = past == 0 ? own_ : zeros<R>(scratch, n * width);
    if (!g.carries_out) return;
    const SequenceState::Rows later = ctx.adjoint_in[static_cast<size_t>(g.seq)].rows(name_, width, ctx.compute());
    check(later.count <= n, ErrorCode::kInternal, "[{}] expected the adjoint of at most {} rows, found {}", name_, n,
          later.count);
    if (later.count > 0)
      kernels::accumulate(later.count * width, static_cast<const R*>(later.data), full_ + (n - later.count) * width);
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

template <class R>
void AttentionOp<R>::backward(Ctx& ctx, Arena& scratch, const LocalRule& on) const {
  if (!on.value && !on.write && !on.read) return;
  const R *dy = ctx.grad<R>(out), *y = ctx.data<R>(out);
  const std::vector<Segment>& segments = ctx.layout(in.q).segments;
  for (size_t s = segments.size(); s-- > 0;) {
    const Segment& g = segments[s];
    const ArenaScope scope(scratch);
    std::optional<RowsAdjoint<R>> dk, dv;
    AttentionGrads<R> grads;
    if (on.read) grads.dq = ctx.grad<R>(in.q) + g.begin * dims.heads * dims.d;
    if (on.write) grads.dk = dk.emplace(ctx, scratch, g, k_slot, in.k, keys[s].past, k_width()).data();
    if (on.value) grads.dv = dv.emplace(ctx, scratch, g, v_slot, in.v, keys[s].past, v_width()).data();
    if (g.end > g.begin) {
      kernels::attention_backward(dims_of(g, s), inputs(ctx, g, s), y + g.begin * y_width(), lse + g.begin * dims.heads,
                                  dy + g.begin * y_width(), grads);
    }
    if (dk) dk->finish();
    if (dv) dv->finish();
  }
}

}  // namespace

Var softmax_attention(Ctx& ctx, const Attention& in) {
  const AttentionDims dims = check_attention(ctx, in);
  const Carried k_slot = ctx.carry("k", {0, dims.kv_heads * dims.d}),
                v_slot = ctx.carry("v", {0, dims.kv_heads * dims.d_v});
  const std::vector<Segment>& segments = ctx.layout(in.q).segments;
  const Var out = ctx.make_like(in.q, dims.heads * dims.d_v);  // [T, heads*d_v]
  ctx.with_real([&]<class R>(R) {
    AttentionOp<R> op{in, out, dims, k_slot, v_slot, std::vector<SegmentKeys<R>>(segments.size()), nullptr};
    if (ctx.recording()) op.lse = ctx.arena().array<R>(static_cast<size_t>(dims.T * dims.heads));
    const DType type = ctx.options().compute;
    // Cached rows before the segment's own; the first segment's go on over the whole pass, as explain/ reads them.
    const auto gather = [&](const Segment& g, const SequenceState::Rows& cached, Var x, bool first) {
      const int64_t width = ctx.cols(x), count = (first ? dims.T : g.end) - g.begin;
      R* rows = ctx.arena().array<R>(static_cast<size_t>((cached.count + count) * width));  // [past + T, width]
      std::copy_n(static_cast<const R*>(cached.data), cached.count * width, rows);
      std::copy_n(ctx.data<R>(x) + g.begin * width, count * width, rows + cached.count * width);
      return rows;
    };
    const auto leave = [&](const Segment& g, const Carried& slot, const R* rows, int64_t count) {
      const int64_t kept = op.kept(count), width = slot.shape[1];
      std::copy_n(rows + (count - kept) * width, kept * width, ctx.carry_out<R>(g.seq, {slot.slot, {kept, width}}));
    };
    for (size_t s = 0; s < segments.size(); ++s) {
      const Segment& g = segments[s];
      const int64_t n = g.end - g.begin;
      SequenceState* state = ctx.state_of(g.seq);
      SegmentKeys<R>& keys = op.keys[s];
      if (ctx.options().in_place && state != nullptr && g.carries_out) {  // the state itself is the cache
        const auto append = [&](const Carried& slot, Var x) {
          const int64_t width = ctx.cols(x), keep = !g.carries_in ? 0 : dims.window > 0 ? dims.window - 1 : -1;
          std::copy_n(ctx.data<R>(x) + g.begin * width, n * width,
                      static_cast<R*>(state->append_rows(ctx.names(), slot, type, n, keep)));
          const SequenceState::Rows rows = state->rows(ctx.names(), slot, type);
          keys.past = rows.count - n;
          return static_cast<const R*>(rows.data);
        };
        keys.k = append(k_slot, in.k);
        keys.v = append(v_slot, in.v);
      } else {
        const bool cached = g.carries_in && state != nullptr;
        const SequenceState::Rows k = cached ? state->rows(ctx.names(), k_slot, type) : SequenceState::Rows();
        const SequenceState::Rows v = cached ? state->rows(ctx.names(), v_slot, type) : SequenceState::Rows();
        check(k.count == v.count, ErrorCode::kData, "[state {}] expected as many values as keys, found {} and {}",
              ctx.name_of(k_slot), v.count, k.count);
        keys.past = k.count;
        keys.k = k.count == 0 ? ctx.data<R>(in.k) + g.begin * op.k_width() : gather(g, k, in.k, s == 0);
        keys.v = v.count == 0 ? ctx.data<R>(in.v) + g.begin * op.v_width() : gather(g, v, in.v, s == 0);
        if (g.carries_out && state != nullptr) {
          leave(g, k_slot, keys.k, keys.past + n);
          leave(g, v_slot, keys.v, keys.past + n);
        }
      }
      if (n == 0) continue;
      kernels::attention_forward(op.dims_of(g, s), op.inputs(ctx, g, s), ctx.data<R>(out) + g.begin * op.y_width(),
                                 op.lse == nullptr ? nullptr : op.lse + g.begin * dims.heads);
    }
    if (!ctx.recording()) return;
    auto detail = std::make_shared<SoftmaxDetail<R>>();
    detail->values = in.v;
    detail->writes = in.v;
    detail->state = ctx.name_of(k_slot);
    detail->T = dims.T;
    detail->past = op.keys.empty() ? 0 : op.keys[0].past;
    detail->heads = dims.heads;
    detail->kv_heads = dims.kv_heads;
    detail->d = dims.d;
    detail->d_v = dims.d_v;
    detail->window = dims.window;
    detail->scale = dims.scale;
    detail->soft_cap = dims.soft_cap;
    detail->q = ctx.data<R>(in.q);
    detail->k = op.keys.empty() ? ctx.data<R>(in.k) : op.keys[0].k;
    detail->v = op.keys.empty() ? ctx.data<R>(in.v) : op.keys[0].v;
    detail->y = ctx.data<R>(out);
    detail->lse = op.lse;
    detail->state_shape = {detail->past, op.k_width()};
    ctx.record(Role::kAttention, {in.q, in.k, in.v}, out, {});
    ctx.set_adjoint([op, &ctx](const LocalRule& rule) { op.backward(ctx, ctx.scratch(), rule); }, std::move(detail));
  });
  return out;
}

}  // namespace hindscan::ops
