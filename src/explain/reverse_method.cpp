#include "explain/reverse_method.h"

#include <algorithm>

namespace hindscan {

template <class R>
std::vector<R> Chunk<R>::moved(Var from, Var to, std::vector<R> rows) const {
  if (orders.trivial()) return rows;
  const std::vector<double> out = orders.move(from, to, {rows.begin(), rows.end()});
  return {out.begin(), out.end()};
}

template <class R>
std::vector<R> Chunk<R>::weights(Var v) const {
  if (target_row < 0) return {};
  const std::vector<double> out = orders.move(orders.reference(), v, orders.target(target_row));
  return {out.begin(), out.end()};
}

template <class R>
void Chunk<R>::store(Var v, std::vector<double> rows, float* to) const {
  rows = orders.move(v, orders.text(), std::move(rows));
  std::transform(rows.begin(), rows.end(), to, [](double s) { return static_cast<float>(s); });
}

template <class R>
void seed_output(const Chunk<R>& chunk, std::span<const R> seed) {
  chunk.ctx.clear_grads();
  R* dh = chunk.ctx.template grad<R>(chunk.h);  // rows of h
  std::copy(seed.begin(), seed.end(), dh + chunk.seed_row * chunk.ctx.cols(chunk.h));
}

void set_carry(Ctx& ctx, const SequenceState& from_future) {
  ctx.adjoint_in = {from_future};
  ctx.adjoint_out = {SequenceState()};
}

template <class R>
void back_exactly(const Chunk<R>& chunk, SequenceState& carry) {
  seed_output(chunk, chunk.seed);
  set_carry(chunk.ctx, carry);
  chunk.ctx.backward(exact_rules());
  carry = std::move(chunk.ctx.adjoint_out[0]);
}

template <class R>
double row_dot(int64_t C, const R* a, const R* b) {
  double sum = 0;
  for (int64_t c = 0; c < C; ++c) sum += static_cast<double>(a[c]) * static_cast<double>(b[c]);
  return sum;
}

template <class R>
std::vector<R> set_aside(Ctx& ctx, Var v) {
  if (!ctx.has_grad(v)) return {};
  const int64_t n = ctx.rows(v) * ctx.cols(v);
  R* dv = ctx.grad<R>(v);
  std::vector<R> aside(dv, dv + n);
  std::fill_n(dv, n, R(0));
  return aside;
}

template <class R>
void put_back(Ctx& ctx, Var v, const std::vector<R>& aside) {
  R* dv = ctx.grad<R>(v);
  for (size_t i = 0; i < aside.size(); ++i) dv[i] += aside[i];
}

template <class R>
std::vector<double> held_by_rows(Ctx& ctx, Var v) {
  const int64_t C = ctx.cols(v);
  std::vector<double> rows(static_cast<size_t>(ctx.rows(v)));
  for (int64_t t = 0; t < ctx.rows(v); ++t)
    rows[static_cast<size_t>(t)] = row_dot(C, ctx.data<R>(v) + t * C, ctx.grad<R>(v) + t * C);
  return rows;
}

static double slot_dot(const SequenceState::Slot& a, const SequenceState::Slot& b, const std::string& name) {
  check(a.shape == b.shape && a.dtype == b.dtype, ErrorCode::kData, "[state {}] expected {} numbers, found {}", name,
        a.bytes.size(), b.bytes.size());
  const void *x = a.bytes.data(), *y = b.bytes.data();
  const int64_t n = static_cast<int64_t>(a.bytes.size() / dtype_size(a.dtype));
  if (a.dtype == DType::kF64) return row_dot(n, static_cast<const double*>(x), static_cast<const double*>(y));
  return row_dot(n, static_cast<const float*>(x), static_cast<const float*>(y));
}

double state_dot(const SequenceState* state, const SequenceState& adjoint) {
  if (state == nullptr) return 0;
  double sum = 0;
  for (const auto& [name, slot] : adjoint.slots()) {
    const auto carried = state->slots().find(name.substr(0, name.find('#')));
    if (carried != state->slots().end()) sum += slot_dot(carried->second, slot, name);
  }
  return sum;
}

template <class R>
void embedding_scores(const Chunk<R>& chunk, const WalkSizes& sizes, std::vector<double>& scores,
                      std::vector<double>& window) {
  const Var emb = embedding_of(chunk.ctx);
  const int64_t C = chunk.ctx.cols(emb);
  const R* e = chunk.ctx.template data<R>(emb);   // [count, d_model]
  const R* de = chunk.ctx.template grad<R>(emb);  // [count, d_model]
  window.resize(static_cast<size_t>((sizes.end - sizes.window) * C));
  for (int64_t t = 0; t < chunk.count; ++t) {
    const int64_t j = chunk.first + t;
    scores[static_cast<size_t>(j)] = row_dot(C, e + t * C, de + t * C);
    if (j >= sizes.window) std::copy_n(de + t * C, C, window.begin() + (j - sizes.window) * C);
  }
}

ScoreMap make_map(const WalkSizes& sizes) {
  ScoreMap map;
  map.scores.assign(static_cast<size_t>(sizes.T), 0.0);
  map.layers.assign(static_cast<size_t>(sizes.layers * sizes.T), 0.0f);
  return map;
}

void average_layers(const WalkSizes& sizes, ScoreMap& map) {
  for (int64_t t = 0; t < sizes.T; ++t) {
    double sum = 0;
    for (int64_t l = 0; l < sizes.layers; ++l)
      sum += static_cast<double>(map.layers[static_cast<size_t>(l * sizes.T + t)]);
    map.scores[static_cast<size_t>(t)] = sizes.layers == 0 ? 0 : sum / static_cast<double>(sizes.layers);
  }
}

template <class R>
size_t layer_of_scope(const Views<R>& views, size_t mixer) {
  for (size_t l = 0; l < views.size(); ++l) {
    if (views[l]->mixer == mixer) return l;
  }
  return MixerOps::npos;
}

template <class R>
std::unique_ptr<ReverseMethod<R>> make_method(const MethodContext<R>& context) {
#define HS_METHOD(id, called, ...) \
  if (context.spec.name == called) return make_##id<R>(context);
#include "explain/methods.def"
#undef HS_METHOD
  fail(ErrorCode::kInternal, "[explain] expected a method of methods.def, found {}", context.spec.name);
}

#define HS_INSTANTIATE(R)                                                          \
  template std::unique_ptr<ReverseMethod<R>> make_method(const MethodContext<R>&); \
  template struct Chunk<R>;                                                        \
  template void seed_output<R>(const Chunk<R>&, std::span<const R>);               \
  template void back_exactly<R>(const Chunk<R>&, SequenceState&);                  \
  template size_t layer_of_scope<R>(const Views<R>&, size_t);                      \
  template double row_dot<R>(int64_t, const R*, const R*);                         \
  template std::vector<R> set_aside<R>(Ctx&, Var);                                 \
  template void put_back<R>(Ctx&, Var, const std::vector<R>&);                     \
  template std::vector<double> held_by_rows<R>(Ctx&, Var);                         \
  template void embedding_scores<R>(const Chunk<R>&, const WalkSizes&, std::vector<double>&, std::vector<double>&);
HS_INSTANTIATE(float)
HS_INSTANTIATE(double)
#undef HS_INSTANTIATE

}  // namespace hindscan
