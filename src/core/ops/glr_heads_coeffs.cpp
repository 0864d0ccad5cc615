#include "core/ops/glr_heads.h"
#include "core/ops/op_support.h"

namespace hindscan {

using kernels::glr::DecayShape;
using kernels::glr::Read;

namespace {

void check_width(const Ctx& ctx, const char* name, Var x, int64_t width, int64_t T) {
  if (x == kNoVar) return;
  check(ctx.rows(x) == T && ctx.cols(x) == width, ErrorCode::kInternal,
        "[glr heads] expected {} as [{}, {}], found [{}, {}]", name, T, width, ctx.rows(x), ctx.cols(x));
}

}  // namespace

void check_heads(const Ctx& ctx, const GlrHeads& in) {
  const int64_t H = in.heads, G = in.groups, K = in.K, V = in.V, ranks = in.ranks, T = ctx.rows(in.v);
  check(H > 0 && G > 0 && K > 0 && V > 0 && ranks > 0 && H % G == 0, ErrorCode::kData,
        "[glr heads] expected positive sizes and heads a multiple of groups, found heads {}, groups {}, K {}, V {}, "
        "ranks {}",
        H, G, K, V, ranks);
  check_width(ctx, "q", in.q, ranks * G * K, T);
  check_width(ctx, "k", in.k, ranks * G * K, T);
  check_width(ctx, "v", in.v, ranks * H * V, T);
  check_width(ctx, "s", in.s, H, T);
  check_width(ctx, "beta", in.beta, H, T);
  check_width(ctx, "b", in.b, H * K, T);
  check_width(ctx, "c", in.c, H * K, T);
  check_width(ctx, "current", in.current, H, T);
  check_width(ctx, "previous", in.previous, H, T);
  if (in.g != kNoVar && ctx.cols(in.g) != H) check_width(ctx, "g", in.g, H * K, T);
  check((in.b == kNoVar) == (in.c == kNoVar), ErrorCode::kInternal,
        "[glr heads] expected b and c together, found one of them");
  check(in.beta == kNoVar || (in.s == kNoVar && in.b == kNoVar && ranks == 1), ErrorCode::kInternal,
        "[glr heads] expected beta instead of s, b and c with one rank, found them together or {} ranks", ranks);
  check(in.previous == kNoVar || (in.current != kNoVar && in.s == kNoVar && in.beta == kNoVar), ErrorCode::kInternal,
        "[glr heads] expected previous with current and without s and beta, found another combination");
  check(in.bonus == nullptr || in.bonus->size() == (bonus_is_log(in) ? H : H * K), ErrorCode::kData,
        "[glr heads] {} must be [{}, {}] but is [{}]", in.bonus == nullptr ? "" : in.bonus->name, H, K,
        in.bonus == nullptr ? "" : fmt::format("{}", fmt::join(in.bonus->shape, ", ")));
  check(in.initial == nullptr || (in.previous == kNoVar && has_shape(*in.initial, {H, V, K})), ErrorCode::kInternal,
        "[glr heads] {} must be [{}, {}, {}] of a recurrence with one tap",
        in.initial == nullptr ? "" : in.initial->name, H, V, K);
}

namespace {

template <class R>
const R* exp_bonus(const GlrHeads& in, Arena& arena) {
  R* u = arena.array<R>(static_cast<size_t>(in.heads * in.K));  // [H, K]
  for (int64_t h = 0; h < in.heads; ++h) std::fill_n(u + h * in.K, in.K, std::exp(in.bonus->as<R>()[h]));
  return u;
}

template <class R>
void make_delta(const Ctx& ctx, const GlrHeads& in, Arena& arena, HeadPass<R>& pass) {
  const auto [T, H, G, K, V, ranks] = pass.dims;
  const R *k = pass.coeffs.k, *beta = ctx.data<R>(in.beta);
  R* b = arena.array<R>(static_cast<size_t>(T * H * K));                     // [T, H, K]
  R* c = G == H ? nullptr : arena.array<R>(static_cast<size_t>(T * H * K));  // [T, H, K]
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t h = 0; h < H; ++h) {
      const R* from = k + (t * G + h / (H / G)) * K;
      const int64_t at = (t * H + h) * K;
      for (int64_t i = 0; i < K; ++i) b[at + i] = -beta[t * H + h] * from[i];
      if (c != nullptr) std::copy_n(from, K, c + at);
    }
  }
  pass.coeffs.s = beta;
  pass.coeffs.b = b;
  pass.coeffs.c = c == nullptr ? k : c;
}

// S' = S + (what the next token writes of this one): one write a token, with weight current_t + previous_{t+1}.
template <class R>
void make_two_taps(const Ctx& ctx, const GlrHeads& in, Arena& arena, HeadPass<R>& pass) {
  const int64_t H = pass.dims.H;
  const R *current = ctx.data<R>(in.current), *previous = ctx.data<R>(in.previous);
  pass.write = arena.array<R>(static_cast<size_t>(pass.dims.T * H));  // [T, H]
  for (const Segment& g : ctx.layout(in.v).segments) {
    for (int64_t t = g.begin; t < g.end; ++t) {
      for (int64_t h = 0; h < H; ++h)
        pass.write[t * H + h] = current[t * H + h] + (t + 1 < g.end ? previous[(t + 1) * H + h] : R(0));
    }
  }
  pass.coeffs.s = pass.write;
}

}  // namespace

template <class R>
HeadPass<R> make_head_pass(const Ctx& ctx, const GlrHeads& in, Arena& arena) {
  const auto maybe = [&](Var x) { return x == kNoVar ? nullptr : ctx.data<R>(x); };
  HeadPass<R> pass;
  pass.dims = {ctx.rows(in.v), in.heads, in.groups, in.K, in.V, in.ranks};
  pass.v = ctx.data<R>(in.v);
  kernels::glr::HeadCoeffs<R>& c = pass.coeffs;
  c.k = ctx.data<R>(in.k);
  c.q = ctx.data<R>(in.q);
  if (in.scale != 1) {
    const int64_t n = pass.dims.T * pass.qk();
    R* scaled = arena.array<R>(static_cast<size_t>(n));  // [T, R, G, K]
    for (int64_t i = 0; i < n; ++i) scaled[i] = static_cast<R>(in.scale) * c.q[i];
    c.q = scaled;
  }
  c.g = maybe(in.g);
  c.decay = in.g == kNoVar ? DecayShape::kNone : ctx.cols(in.g) == in.heads ? DecayShape::kScalar : DecayShape::kRow;
  c.s = maybe(in.s);
  c.b = maybe(in.b);
  c.c = maybe(in.c);
  c.read = in.current != kNoVar ? Read::kDecayed : in.read;
  if (in.current != kNoVar)
    c.u = ctx.data<R>(in.current);
  else if (in.bonus != nullptr)
    c.u = bonus_is_log(in) ? exp_bonus<R>(in, arena) : in.bonus->as<R>();
  if (in.beta != kNoVar) make_delta(ctx, in, arena, pass);
  if (in.previous != kNoVar) make_two_taps(ctx, in, arena, pass);
  return pass;
}
template HeadPass<float> make_head_pass<float>(const Ctx&, const GlrHeads&, Arena&);
template HeadPass<double> make_head_pass<double>(const Ctx&, const GlrHeads&, Arena&);

template <class R>
void PreviousWrite<R>::add_to(R* S) const {
  const int64_t H = dims.H, K = dims.K, V = dims.V;
  for (int64_t r = 0; r < dims.R; ++r) {
    for (int64_t h = 0; h < H; ++h) {
      const R *k = k_prev + (r * dims.G + h / (H / dims.G)) * K, *v = v_prev + (r * H + h) * V;
      for (int64_t i = 0; i < K; ++i) {
        for (int64_t j = 0; j < V; ++j) S[(h * K + i) * V + j] += weight[h] * k[i] * v[j];
      }
    }
  }
}

template <class R>
void PreviousWrite<R>::adjoint(const R* dS, R* dweight, R* dk_prev, R* dv_prev) const {
  const int64_t H = dims.H, K = dims.K, V = dims.V;
  for (int64_t r = 0; r < dims.R; ++r) {
    for (int64_t h = 0; h < H; ++h) {
      const int64_t k_at = (r * dims.G + h / (H / dims.G)) * K, v_at = (r * H + h) * V;
      for (int64_t i = 0; i < K; ++i) {
        const R* row = dS + (h * K + i) * V;  // [V]
        R along_v = 0;
        for (int64_t j = 0; j < V; ++j) {
          along_v += row[j] * v_prev[v_at + j];
          if (dv_prev != nullptr) dv_prev[v_at + j] += weight[h] * k_prev[k_at + i] * row[j];
        }
        if (dweight != nullptr) dweight[h] += k_prev[k_at + i] * along_v;
        if (dk_prev != nullptr) dk_prev[k_at + i] += weight[h] * along_v;
      }
    }
  }
}
template struct PreviousWrite<float>;
template struct PreviousWrite<double>;

}  // namespace hindscan
