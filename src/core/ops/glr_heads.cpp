// Role glr: a state [K, V] per head (Mamba-2/3, RetNet, GLA, HGRN2, RWKV-5/6/7, delta rules). Adjoint: exact (states
// recomputed), or the value path alone (coefficients frozen = implicit attention transposed), or one MixerPath: value
// v; write k, s, current, previous, beta as a weight; decay g, b, c and what beta and k do inside b, c; read q, bonus.
#include "core/ops/glr_heads.h"

#include "core/ops/glr.h"

namespace hindscan::ops {

using kernels::glr::HeadGrads;

namespace {

// One recorded op, and its adjoint.
template <class R>
struct HeadOp {
  GlrHeads in;
  Var out;
  HeadPass<R> pass;
  CarriedSlot state, k_prev, v_prev;
  R* S0;                   // [segments, H, K, V] before each segment; two taps: with the pending write
  R *k_before, *v_before;  // [segments, R*G*K], [segments, R*H*V]

  bool two_taps() const { return in.previous != kNoVar; }
  PreviousWrite<R> pending(const Ctx& ctx, const Segment& g, size_t s) const {
    return {pass.dims, ctx.data<R>(in.previous) + g.begin * in.heads, k_before + static_cast<int64_t>(s) * pass.qk(),
            v_before + static_cast<int64_t>(s) * pass.vw()};
  }
  // Whether a segment starts from the weight that holds where texts start.
  bool starts_text(const Ctx& ctx, const Segment& g) const {
    return in.initial != nullptr && state.in<R>(ctx, g) == nullptr;
  }
  void load_initial(R* S) const;
  void backward(Ctx& ctx, Arena& scratch, const LocalRule& on, GradTable* table) const;

 private:
  void delta_gradients(Ctx& ctx, const LocalRule& on, const HeadGrads<R>& g) const;
  void tap_gradients(Ctx& ctx, const Segment& g, const R* ds) const;
  void log_bonus_gradient(const R* du, R* dbonus) const;
  // Places of one number in the weight [H, V, K] and in the state [H, K, V].
  template <class F>
  void each_of_initial(F&& f) const {
    for (int64_t i = 0; i < in.heads * in.V * in.K; ++i) {
      const int64_t h = i / (in.V * in.K), v = i / in.K % in.V, k = i % in.K;
      f(i, (h * in.K + k) * in.V + v);
    }
  }
};

template <class R>
void HeadOp<R>::load_initial(R* S) const {
  const R* from = in.initial->as<R>();  // [H, V, K]
  each_of_initial([&](int64_t of_weight, int64_t of_state) { S[of_state] = from[of_weight]; });
}

// b = -beta k, c = k, s = beta: decay role of k and beta from db, dc; write role of beta from ds.
template <class R>
void HeadOp<R>::delta_gradients(Ctx& ctx, const LocalRule& on, const HeadGrads<R>& g) const {
  const auto [T, H, G, K, V, ranks] = pass.dims;
  const R *k = pass.coeffs.k, *beta = pass.coeffs.s;
  R *dk = ctx.grad<R>(in.k), *dbeta = ctx.grad<R>(in.beta);
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t h = 0; h < H; ++h) {
      const int64_t at = t * H + h, key = (t * G + h / (H / G)) * K;
      if (on.write) dbeta[at] += g.ds[at];
      if (!on.decay) continue;
      R sum = 0;
      for (int64_t i = 0; i < K; ++i) {
        dk[key + i] += g.dc[at * K + i] - beta[at] * g.db[at * K + i];
        sum += k[key + i] * g.db[at * K + i];
      }
      dbeta[at] -= sum;
    }
  }
}

template <class R>
void HeadOp<R>::log_bonus_gradient(const R* du, R* dbonus) const {
  for (int64_t i = 0; i < in.heads * in.K; ++i) dbonus[i / in.K] += du[i] * pass.coeffs.u[i];  // u = exp(bonus)
}

// ds of the single-tap weights: to current of the token and previous of the next.
template <class R>
void HeadOp<R>::tap_gradients(Ctx& ctx, const Segment& g, const R* ds) const {
  const int64_t H = in.heads;
  R *dcurrent = ctx.grad<R>(in.current), *dprevious = ctx.grad<R>(in.previous);
  for (int64_t t = g.begin; t < g.end; ++t) {
    for (int64_t h = 0; h < H; ++h) {
      dcurrent[t * H + h] += ds[t * H + h];
      if (t + 1 < g.end) dprevious[(t + 1) * H + h] += ds[t * H + h];
    }
  }
}

template <class R>
void HeadOp<R>::backward(Ctx& ctx, Arena& scratch, const LocalRule& on, GradTable* table) const {
  if (!on.any_input()) return;
  const auto [T, H, G, K, V, ranks] = pass.dims;
  const bool delta = in.beta != kNoVar, bonus = on.weights && on.read && in.bonus != nullptr;
  const R* dy = ctx.grad<R>(out);  // [T, R, H, V]
  const ArenaScope outer(scratch);
  HeadGrads<R> grads;
  if (on.value) grads.dv = ctx.grad<R>(in.v);
  if (on.read) grads.dq = in.scale == 1 ? ctx.grad<R>(in.q) : zeros<R>(scratch, T * pass.qk());
  if (on.write) grads.dk = ctx.grad<R>(in.k);
  if (on.decay && in.g != kNoVar) grads.dg = ctx.grad<R>(in.g);
  if (on.write && pass.coeffs.s != nullptr) grads.ds = in.s != kNoVar ? ctx.grad<R>(in.s) : zeros<R>(scratch, T * H);
  if (on.decay && pass.coeffs.b != nullptr) {
    grads.db = delta ? zeros<R>(scratch, T * H * K) : ctx.grad<R>(in.b);
    grads.dc = delta ? zeros<R>(scratch, T * H * K) : ctx.grad<R>(in.c);
  }
  if (in.current != kNoVar && on.write) grads.du = ctx.grad<R>(in.current);
  if (in.current == kNoVar && bonus) grads.du = bonus_is_log(in) ? zeros<R>(scratch, H * K) : table->of<R>(*in.bonus);
  const std::vector<Segment>& segments = ctx.layout(in.v).segments;
  R* dS = scratch.array<R>(static_cast<size_t>(state.size()));  // [H, K, V]
  for (size_t s = segments.size(); s-- > 0;) {
    const Segment& g = segments[s];
    state.load_adjoint(ctx, g, dS);
    HeadGrads<R> here = pass.at(grads, g.begin);
    if (two_taps() && g.end > g.begin) {  // the next pass completes the write of the last token
      const R *dk = k_prev.adjoint<R>(ctx, g), *dv = v_prev.adjoint<R>(ctx, g);
      if (dk != nullptr && on.write) kernels::accumulate(pass.qk(), dk, grads.dk + (g.end - 1) * pass.qk());
      if (dv != nullptr && on.value) kernels::accumulate(pass.vw(), dv, grads.dv + (g.end - 1) * pass.vw());
    }
    if (!on.any_coefficient() && here.du == nullptr) {
      kernels::glr::head_value_adjoint(pass.dims_of(g), pass.at(g.begin), dy + g.begin * pass.vw(), dS, here.dv);
    } else {
      here.dS = dS;
      kernels::glr::head_backward(pass.dims_of(g), pass.at(g.begin), pass.v + g.begin * pass.vw(),
                                  S0 + static_cast<int64_t>(s) * state.size(), dy + g.begin * pass.vw(), here);
    }
    if (on.value) state.store_adjoint(ctx, g, dS);
    if (on.value && on.weights && starts_text(ctx, g)) {
      R* d = table->of<R>(*in.initial);  // [H, V, K]
      each_of_initial([&](int64_t of_weight, int64_t of_state) { d[of_weight] += dS[of_state]; });
    }
    if (!two_taps()) continue;
    if (on.write) tap_gradients(ctx, g, grads.ds);
    const ArenaScope scope(scratch);
    R *dk = zeros<R>(scratch, pass.qk()), *dv = zeros<R>(scratch, pass.vw());
    if (g.end > g.begin) {
      R* dweight = on.write ? ctx.grad<R>(in.previous) + g.begin * H : nullptr;
      pending(ctx, g, s).adjoint(dS, dweight, dk, dv);
    } else {
      if (const R* later = k_prev.adjoint<R>(ctx, g)) std::copy_n(later, pass.qk(), dk);
      if (const R* later = v_prev.adjoint<R>(ctx, g)) std::copy_n(later, pass.vw(), dv);
    }
    if (on.write) k_prev.store_adjoint(ctx, g, dk);
    if (on.value) v_prev.store_adjoint(ctx, g, dv);
  }
  if (delta && (on.write || on.decay)) delta_gradients(ctx, on, grads);
  if (bonus && bonus_is_log(in)) log_bonus_gradient(grads.du, table->of<R>(*in.bonus));
  if (on.read && in.scale != 1) {
    R* dq = ctx.grad<R>(in.q);
    for (int64_t i = 0; i < T * pass.qk(); ++i) dq[i] += static_cast<R>(in.scale) * grads.dq[i];
  }
}

template <class R>
std::shared_ptr<HeadDetail<R>> detail_of(const HeadOp<R>& op, const Ctx& ctx) {
  auto detail = std::make_shared<HeadDetail<R>>();
  detail->values = op.in.v;
  detail->writes = op.in.k;
  detail->state = ctx.name_of(op.state);
  detail->state_shape = op.state.shape.list();
  detail->dims = op.pass.dims;
  detail->coeffs = op.pass.coeffs;
  detail->v = op.pass.v;
  detail->y = ctx.data<R>(op.out);
  detail->S0 = op.S0;
  detail->turned = op.in.turned;
  detail->V_out = op.in.V;
  detail->key_dropping = op.pass.coeffs.b != nullptr;
  if (op.two_taps()) detail->previous = ctx.data<R>(op.in.previous);
  return detail;
}

}  // namespace

Var glr(Ctx& ctx, const GlrHeads& in) {
  check_heads(ctx, in);
  const CarriedSlot state{ctx.carry("glr", {in.heads, in.K, in.V})};
  CarriedSlot k_prev, v_prev;
  if (in.previous != kNoVar) {
    k_prev = {ctx.carry_beside(state, "k_prev", {in.ranks, in.groups, in.K})};
    v_prev = {ctx.carry_beside(state, "v_prev", {in.ranks, in.heads, in.V})};
  }
  const std::vector<Segment>& segments = ctx.layout(in.v).segments;
  const Var out = ctx.make_like(in.v, ctx.cols(in.v));  // [T, R*H*V]
  ctx.with_real([&]<class R>(R) {
    HeadOp<R> op{in, out, make_head_pass<R>(ctx, in, ctx.arena()), state, k_prev, v_prev, nullptr, nullptr, nullptr};
    const int64_t n = op.state.size(), qk = op.pass.qk(), vw = op.pass.vw();
    if (ctx.recording()) op.S0 = ctx.arena().array<R>(segments.size() * static_cast<size_t>(n));
    if (op.two_taps()) {
      op.k_before = ctx.arena().array<R>(segments.size() * static_cast<size_t>(qk));
      op.v_before = ctx.arena().array<R>(segments.size() * static_cast<size_t>(vw));
    }
    for (size_t s = 0; s < segments.size(); ++s) {
      const Segment& g = segments[s];
      const ArenaScope scope(ctx.scratch());
      const bool starts_text = op.starts_text(ctx, g);  // before the state of a pass in place has its slot
      R* S = g.carries_out ? ctx.carry_out<R>(g.seq, state) : ctx.scratch().array<R>(static_cast<size_t>(n));
      if (starts_text)
        op.load_initial(S);
      else
        op.state.load(ctx, g, S);
      if (op.two_taps()) {
        R *k = op.k_before + static_cast<int64_t>(s) * qk, *v = op.v_before + static_cast<int64_t>(s) * vw;
        op.k_prev.load(ctx, g, k);
        op.v_prev.load(ctx, g, v);
        if (g.end > g.begin) op.pending(ctx, g, s).add_to(S);
        if (g.carries_out) {
          std::copy_n(g.end > g.begin ? op.pass.coeffs.k + (g.end - 1) * qk : k, qk, ctx.carry_out<R>(g.seq, k_prev));
          std::copy_n(g.end > g.begin ? op.pass.v + (g.end - 1) * vw : v, vw, ctx.carry_out<R>(g.seq, v_prev));
        }
      }
      if (op.S0 != nullptr) std::copy_n(S, n, op.S0 + static_cast<int64_t>(s) * n);
      kernels::glr::head_forward(op.pass.dims_of(g), op.pass.at(g.begin), op.pass.v + g.begin * vw, S,
                                 ctx.data<R>(out) + g.begin * vw);
    }
    if (!ctx.recording()) return;
    std::vector<Var> inputs = {in.q, in.k, in.v};
    for (Var x : {in.g, in.s, in.beta, in.b, in.c, in.current, in.previous}) {
      if (x != kNoVar) inputs.push_back(x);
    }
    ctx.record(Role::kGlr, std::move(inputs), out, {in.bonus, in.initial});
    ctx.set_adjoint([op, &ctx](const LocalRule& rule) { op.backward(ctx, ctx.scratch(), rule, ctx.options().grads); },
                    detail_of(op, ctx));
  });
  return out;
}

}  // namespace hindscan::ops
