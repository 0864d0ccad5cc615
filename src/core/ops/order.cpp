// Role order: the tokens of each sequence in another order, repeated, left out, averaged, or with one put in; linear,
// so the adjoint is the transpose under every rule (an inserted token is a bias). States are not carried in such
// orders.
#include "core/ops/order.h"

#include <algorithm>
#include <cstring>

#include "core/ops/layouts.h"
#include "core/ops/linear_product.h"
#include "kernels/parallel.h"

namespace hindscan::ops {

// Source row of every output row: [B * order length].
static std::vector<int64_t> source_rows(const char* op, const Layout& layout, const std::vector<int64_t>& index) {
  std::vector<int64_t> rows;
  rows.reserve((layout.cu.size() - 1) * index.size());
  for (size_t b = 0; b + 1 < layout.cu.size(); ++b) {
    const int64_t length = layout.cu[b + 1] - layout.cu[b];
    for (int64_t i : index) {
      check(i >= 0 && i < length, ErrorCode::kUsage, "[{}] expected tokens 0..{} in the order, found {}", op,
            length - 1, i);
      rows.push_back(layout.cu[b] + i);
    }
  }
  return rows;
}

template <class R>
static void gather(const std::vector<int64_t>& rows, int64_t C, const R* from, R* to) {
  kernels::for_rows(static_cast<int64_t>(rows.size()), C, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      std::memcpy(to + i * C, from + rows[static_cast<size_t>(i)] * C, static_cast<size_t>(C) * sizeof(R));
  });
}

// to[rows[i]] += factor * from[i / every]; serial over rows, because rows may repeat.
template <class R>
static void scatter_add(const std::vector<int64_t>& rows, int64_t C, R factor, int64_t every, const R* from, R* to) {
  for (size_t i = 0; i < rows.size(); ++i) {
    const R* f = from + static_cast<int64_t>(i) / every * C;
    R* o = to + rows[i] * C;
    for (int64_t c = 0; c < C; ++c) o[c] += factor * f[c];
  }
}

static Var reorder(Ctx& ctx, Var x, const TokenOrder& order, int* layout_out) {
  const size_t sequences = ctx.layout(x).cu.size() - 1;
  const int64_t length = static_cast<int64_t>(order.index.size());
  check(order.resets.empty() || order.resets.size() == order.index.size(), ErrorCode::kUsage,
        "[order] expected {} reset flags, found {}", length, order.resets.size());
  *layout_out = ctx.add_layout(cut_layout(sequences, length, order.resets));
  return ctx.make(static_cast<int64_t>(sequences) * length, ctx.cols(x), *layout_out);  // [B*L_out, C]
}

Var gather_tokens(Ctx& ctx, Var x, const TokenOrder& order) {
  const int64_t C = ctx.cols(x);
  const std::vector<int64_t> from = source_rows("gather_tokens", ctx.layout(x), order.index);
  int made = 0;
  const Var out = reorder(ctx, x, order, &made);  // [B*L_out, C]
  ctx.with_real([&]<class R>(R) {
    gather(from, C, ctx.data<R>(x), ctx.data<R>(out));
    if (!ctx.record(Role::kOrder, {x}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule&) { scatter_add(from, C, R(1), 1, ctx.grad<R>(out), ctx.grad<R>(x)); });
  });
  return out;
}

Var scatter_add_tokens(Ctx& ctx, Var x, const TokenOrder& order, Var like) {
  const int64_t C = ctx.cols(x);
  const std::vector<int64_t> to = source_rows("scatter_add_tokens", ctx.layout(like), order.index);
  check(ctx.rows(x) == static_cast<int64_t>(to.size()), ErrorCode::kUsage,
        "[scatter_add_tokens] expected {} rows, found {}", to.size(), ctx.rows(x));
  const Var out = ctx.make_like(like, C);  // [rows of like, C]
  ctx.with_real([&]<class R>(R) {
    std::memset(ctx.data<R>(out), 0, static_cast<size_t>(ctx.rows(out) * C) * sizeof(R));
    scatter_add(to, C, R(1), 1, ctx.data<R>(x), ctx.data<R>(out));
    if (!ctx.record(Role::kOrder, {x}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule&) {
      const R* dy = ctx.grad<R>(out);
      R* dx = ctx.grad<R>(x);
      for (size_t i = 0; i < to.size(); ++i) kernels::accumulate(C, dy + to[i] * C, dx + static_cast<int64_t>(i) * C);
    });
  });
  return out;
}

Var pool_tokens(Ctx& ctx, Var x, const TokenOrder& order, int64_t window) {
  const int64_t C = ctx.cols(x), total = static_cast<int64_t>(order.index.size());
  check(window > 0 && total % window == 0, ErrorCode::kUsage,
        "[pool_tokens] expected a multiple of {} tokens in the order, found {}", window, total);
  const size_t sequences = ctx.layout(x).cu.size() - 1;
  const int64_t length = total / window;
  check(order.resets.empty() || static_cast<int64_t>(order.resets.size()) == length, ErrorCode::kUsage,
        "[pool_tokens] expected {} reset flags, found {}", length, order.resets.size());
  const std::vector<int64_t> from = source_rows("pool_tokens", ctx.layout(x), order.index);
  const int made = ctx.add_layout(cut_layout(sequences, length, order.resets));
  const Var out = ctx.make(static_cast<int64_t>(sequences) * length, C, made);  // [B*L_out/window, C]
  ctx.with_real([&]<class R>(R) {
    const R factor = R(1) / static_cast<R>(window);
    const R* xv = ctx.data<R>(x);
    R* y = ctx.data<R>(out);
    for (int64_t i = 0; i < ctx.rows(out); ++i) {
      for (int64_t c = 0; c < C; ++c) y[i * C + c] = 0;
      for (int64_t j = i * window; j < (i + 1) * window; ++j) {
        const R* row = xv + from[static_cast<size_t>(j)] * C;
        for (int64_t c = 0; c < C; ++c) y[i * C + c] += factor * row[c];
      }
    }
    if (!ctx.record(Role::kOrder, {x}, out, {})) return;
    ctx.set_adjoint(
        [=, &ctx](const LocalRule&) { scatter_add(from, C, factor, window, ctx.grad<R>(out), ctx.grad<R>(x)); });
  });
  return out;
}

Var insert_token(Ctx& ctx, const Weight& token, Var x, int64_t at) {
  const int64_t C = ctx.cols(x), old_rows = ctx.rows(x);
  check(token.size() == C, ErrorCode::kData, "[insert_token] {} must have {} numbers but is [{}]", token.name, C,
        fmt::join(token.shape, ", "));
  const Layout old = ctx.layout(x);
  const int64_t B = static_cast<int64_t>(old.cu.size()) - 1;
  Layout grown;
  std::vector<int64_t> place(static_cast<size_t>(old_rows)), tokens;  // new row of each old one; rows of the tokens
  for (int64_t b = 0; b <= B; ++b) grown.cu.push_back(old.cu[static_cast<size_t>(b)] + b);
  for (int64_t b = 0; b < B; ++b) {
    const int64_t start = old.cu[static_cast<size_t>(b)], length = old.cu[static_cast<size_t>(b) + 1] - start;
    check(at >= 0 && at <= length, ErrorCode::kUsage, "[insert_token] expected a position 0..{}, found {}", length, at);
    for (int64_t i = 0; i < length; ++i) place[static_cast<size_t>(start + i)] = start + b + i + (i >= at ? 1 : 0);
    tokens.push_back(start + b + at);
  }
  for (const Segment& s :
       old.segments) {  // a segment begins where its first row went, the first one of a sequence where that begins
    const bool first = grown.segments.empty() || grown.segments.back().seq != s.seq;
    const int64_t begin = first ? grown.cu[static_cast<size_t>(s.seq)] : place[static_cast<size_t>(s.begin)];
    if (!first) grown.segments.back().end = begin;
    grown.segments.push_back({begin, grown.cu[static_cast<size_t>(s.seq) + 1], s.seq, false, false});
  }
  const int made = ctx.add_layout(std::move(grown));
  const Var out = ctx.make(old_rows + B, C, made);  // [B*(L+1), C]
  ctx.with_real([&]<class R>(R) {
    R* y = ctx.data<R>(out);
    const size_t bytes = static_cast<size_t>(C) * sizeof(R);
    for (size_t i = 0; i < place.size(); ++i)
      std::memcpy(y + place[i] * C, ctx.data<R>(x) + static_cast<int64_t>(i) * C, bytes);
    for (int64_t row : tokens) std::memcpy(y + row * C, token.as<R>(), bytes);
    if (!ctx.record(Role::kOrder, {x}, out, {&token})) return;
    ctx.set_adjoint([=, &ctx, &token](const LocalRule& rule) {
      const R* dy = ctx.grad<R>(out);
      R* dx = ctx.grad<R>(x);
      for (size_t i = 0; i < place.size(); ++i)
        kernels::accumulate(C, dy + place[i] * C, dx + static_cast<int64_t>(i) * C);
      const ArenaScope scope(ctx.scratch());
      R* to_token = ctx.scratch().array<R>(static_cast<size_t>(B * C));  // [B, C]
      gather(tokens, C, dy, to_token);
      bias_backward(ctx, token, 0, B, C, to_token, rule);
    });
  });
  return out;
}

}  // namespace hindscan::ops
