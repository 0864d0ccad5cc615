// Role embedding: what a pass starts from. Adjoint: scatter-add into the table.
#include "core/ops/embedding.h"

#include "kernels/gemm.h"

namespace hindscan::ops {

// Rows of a 16-bit table are widened as they are gathered.
static void gather_rows(const Weight& table, std::span<const int32_t> ids, float* y) {
  const int64_t C = table.cols();
  if (table.dtype == DType::kF32) {
    kernels::embedding_forward(static_cast<int64_t>(ids.size()), C, ids.data(), table.as<float>(), y);
    return;
  }
  const uint16_t* rows = static_cast<const uint16_t*>(table.data);
  for (size_t t = 0; t < ids.size(); ++t)
    kernels::convert(rows + ids[t] * C, y + static_cast<int64_t>(t) * C, C, table.dtype);
}

static void gather_rows(const Weight& table, std::span<const int32_t> ids, double* y) {
  kernels::embedding_forward(static_cast<int64_t>(ids.size()), table.cols(), ids.data(), table.as<double>(), y);
}

Var embedding(Ctx& ctx, const Weight& table) {
  if (ctx.embedding_instead() != kNoVar) return ctx.embedding_instead();
  const int64_t T = ctx.input().length(), C = table.cols();
  const Var out = ctx.make(T, C);  // [T, d_model]
  ctx.with_real([&]<class R>(R) {
    R* y = ctx.data<R>(out);
    if (ctx.input().feature_dim > 0) {
      check(ctx.input().feature_dim == C, ErrorCode::kUsage, "[embedding] features must be [T, {}] but are [{}, {}]", C,
            T, ctx.input().feature_dim);
      for (int64_t i = 0; i < T * C; ++i) y[i] = static_cast<R>(ctx.input().features[static_cast<size_t>(i)]);
    } else {
      for (int32_t id : ctx.input().tokens) {
        check(id >= 0 && id < table.rows(), ErrorCode::kUsage,
              "[embedding] token id {} is outside the vocabulary 0..{}", id, table.rows() - 1);
      }
      gather_rows(table, ctx.input().tokens, y);
    }
    if (!ctx.record(Role::kEmbedding, {}, out, {&table})) return;
    ctx.set_adjoint([=, &ctx, &table](const LocalRule& rule) {
      if (!rule.weights || ctx.input().feature_dim > 0) return;
      kernels::embedding_backward(T, C, ctx.input().tokens.data(), ctx.grad<R>(out), ctx.options().grads->of<R>(table));
    });
  });
  return ctx.tap("embedding", out);
}

Var features(Ctx& ctx) {
  const int64_t T = ctx.input().length(), C = ctx.input().feature_dim;
  check(C > 0, ErrorCode::kUsage, "[features] expected feature vectors, found tokens; this model reads features");
  const Var out = ctx.make(T, C);  // [T, feature_dim]
  ctx.with_real([&]<class R>(R) {
    for (int64_t i = 0; i < T * C; ++i)
      ctx.data<R>(out)[i] = static_cast<R>(ctx.input().features[static_cast<size_t>(i)]);
  });
  if (ctx.record(Role::kEmbedding, {}, out, {})) ctx.set_adjoint([](const LocalRule&) {});
  return ctx.tap("embedding", out);
}

}  // namespace hindscan::ops
