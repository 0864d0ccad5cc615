// Role linear, other layouts of the weight: [in, out], block-diagonal over heads, one of several experts. Adjoint: dx =
// dy W^T, dW = x^T dy, biases add to bias_share; or the relevance is shared among the inputs.
#include "core/context.h"
#include "core/ops/op_support.h"
#include "core/ops/relevance.h"

namespace hindscan {

Var Ctx::linear_in(const Weight& w, Var x) {
  return linear_in(w, x, 0, w.shape.empty() ? 0 : w.size() / std::max<int64_t>(1, w.shape.back()));
}

// w [.., out] read as rows of out numbers; x meets rows first .. first + count.
Var Ctx::linear_in(const Weight& w, Var x, int64_t first, int64_t count) {
  const int64_t M = rows(x), N = w.shape.empty() ? 0 : w.shape.back();
  check(N > 0 && cols(x) == count && first >= 0 && (first + count) * N <= w.size(), ErrorCode::kData,
        "[linear_in] {} must be [in >= {}, out] for {} channels but is [{}]", w.name, first + count, cols(x),
        fmt::join(w.shape, ", "));
  const Var out = make_like(x, N);  // [T, out]
  with_real([&]<class R>(R) {
    const ArenaScope scope(scratch_);
    kernels::gemm({M, N, count, false, false}, data<R>(x), count, weight_part<R>(w, first * N, count * N, scratch_), N,
                  R(0), data<R>(out), N);
    if (!record(Role::kLinear, {x}, out, {&w})) return;
    set_adjoint([=, this, &w](const LocalRule& rule) {
      const ArenaScope inner(scratch_);
      const R *values = weight_part<R>(w, first * N, count * N, scratch_), *dy = grad<R>(out);
      if (rule.relevance) {
        const R* no_bias = nullptr;
        share_relevance(block_map(M, 1, count, N, values, no_bias), rule, data<R>(x), data<R>(out), dy, scratch_,
                        grad<R>(x));
        return;
      }
      bool accumulate = false;
      R* dx = grad_target<R>(x, &accumulate);
      kernels::gemm({M, count, N, false, true}, dy, N, values, N, R(accumulate ? 1 : 0), dx, count);
      if (rule.weights)
        kernels::gemm({count, N, M, true, false}, data<R>(x), count, dy, N, R(1), options_.grads->of<R>(w) + first * N,
                      N);
    });
  });
  return out;
}

Var Ctx::block_linear(const Weight& w, const Weight* bias, Var x) {
  check(w.shape.size() == 3, ErrorCode::kData, "[block_linear] {} must be [heads, in, out] but is [{}]", w.name,
        fmt::join(w.shape, ", "));
  const int64_t M = rows(x), H = w.shape[0], K = w.shape[1], N = w.shape[2];
  check(cols(x) == H * K && (bias == nullptr || bias->size() == H * N), ErrorCode::kData,
        "[block_linear] {} [{}] does not fit {} channels and its bias", w.name, fmt::join(w.shape, ", "), cols(x));
  const Var out = make_like(x, H * N);  // [T, H*out]
  with_real([&]<class R>(R) {
    const ArenaScope scope(scratch_);
    const R* wv = weight_part<R>(w, 0, w.size(), scratch_);
    for (int64_t h = 0; h < H; ++h) {
      kernels::gemm({M, N, K, false, false}, data<R>(x) + h * K, H * K, wv + h * K * N, N, R(0), data<R>(out) + h * N,
                    H * N);
    }
    if (bias != nullptr) kernels::add_bias(M, H * N, bias->as<R>(), data<R>(out));
    if (!record(Role::kLinear, {x}, out, {&w, bias})) return;
    set_adjoint([=, this, &w](const LocalRule& rule) {
      const ArenaScope inner(scratch_);
      const R *values = weight_part<R>(w, 0, w.size(), scratch_), *dy = grad<R>(out), *xv = data<R>(x);
      if (rule.relevance) {
        const R* b = bias == nullptr ? nullptr : bias->as<R>();
        bias_share +=
            share_relevance(block_map(M, H, K, N, values, b), rule, xv, data<R>(out), dy, scratch_, grad<R>(x));
        return;
      }
      bool accumulate = false;
      R* dx = grad_target<R>(x, &accumulate);
      R* dw = rule.weights ? options_.grads->of<R>(w) : nullptr;
      for (int64_t h = 0; h < H; ++h) {
        kernels::gemm({M, K, N, false, true}, dy + h * N, H * N, values + h * K * N, N, R(accumulate ? 1 : 0),
                      dx + h * K, H * K);
        if (dw != nullptr)
          kernels::gemm({K, N, M, true, false}, xv + h * K, H * K, dy + h * N, H * N, R(1), dw + h * K * N, N);
      }
      if (bias != nullptr) bias_backward(*bias, 0, M, H * N, dy, rule);
    });
  });
  return out;
}

Var Ctx::expert_linear(const Weight& w, const Weight* bias, int64_t expert, Var x) {
  check(w.shape.size() == 3 && expert >= 0 && expert < w.shape[0] && w.shape[2] == cols(x), ErrorCode::kData,
        "[expert_linear] {} must be [experts > {}, out, {}] but is [{}]", w.name, expert, cols(x),
        fmt::join(w.shape, ", "));
  const int64_t M = rows(x), N = w.shape[1], K = w.shape[2], first = expert * N * K;
  check(bias == nullptr || bias->size() == w.shape[0] * N, ErrorCode::kData,
        "[expert_linear] the bias of {} must be [{}, {}]", w.name, w.shape[0], N);
  const Var out = make_like(x, N);  // [rows, out]
  with_real([&]<class R>(R) {
    kernels::linear(M, N, K, data<R>(x),
                    static_cast<const char*>(w.data) + static_cast<size_t>(first) * dtype_size(w.dtype), w.dtype,
                    data<R>(out));
    if (bias != nullptr) kernels::add_bias(M, N, bias->as<R>() + expert * N, data<R>(out));
    if (!record(Role::kLinear, {x}, out, {&w, bias})) return;
    set_adjoint([=, this, &w](const LocalRule& rule) {
      const ArenaScope inner(scratch_);
      const R *values = weight_part<R>(w, first, N * K, scratch_), *dy = grad<R>(out);
      if (rule.relevance) {
        const R* b = bias == nullptr ? nullptr : bias->as<R>() + expert * N;
        bias_share +=
            share_relevance(dense_map(M, K, N, values, b), rule, data<R>(x), data<R>(out), dy, scratch_, grad<R>(x));
        return;
      }
      bool accumulate = false;
      R* dx = grad_target<R>(x, &accumulate);
      kernels::gemm({M, K, N, false, false}, dy, N, values, K, R(accumulate ? 1 : 0), dx, K);
      if (rule.weights)
        kernels::gemm({N, K, M, true, false}, dy, N, data<R>(x), K, R(1), options_.grads->of<R>(w) + first, K);
      if (bias != nullptr) bias_backward(*bias, expert * N, M, N, dy, rule);
    });
  });
  return out;
}

}  // namespace hindscan
