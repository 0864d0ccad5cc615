// Role order: the tokens of each sequence in another order, repeated, left out, averaged, or with one put in; linear,
// so the adjoint is the transpose under every rule (an inserted token is a bias). States are not carried in such
// orders.
#include <algorithm>
#include <cstring>

#include "core/context.h"
#include "core/ops/layouts.h"
#include "kernels/parallel.h"

namespace hindscan {

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

Var Ctx::reorder(Var x, const TokenOrder& order, int* layout_out) {
  const size_t sequences = layout(x).cu.size() - 1;
  const int64_t length = static_cast<int64_t>(order.index.size());
  check(order.resets.empty() || order.resets.size() == order.index.size(), ErrorCode::kUsage,
        "[order] expected {} reset flags, found {}", length, order.resets.size());
  *layout_out = layout_index(layouts_, cut_layout(sequences, length, order.resets));
  return make(static_cast<int64_t>(sequences) * length, cols(x), *layout_out);  // [B*L_out, C]
}

Var Ctx::gather_tokens(Var x, const TokenOrder& order) {
  const int64_t C = cols(x);
  const std::vector<int64_t> from = source_rows("gather_tokens", layout(x), order.index);
  int made = 0;
  const Var out = reorder(x, order, &made);  // [B*L_out, C]
  with_real([&]<class R>(R) {
    gather(from, C, data<R>(x), data<R>(out));
    if (!record(Role::kOrder, {x}, out, {})) return;
    set_adjoint([=, this](const LocalRule&) { scatter_add(from, C, R(1), 1, grad<R>(out), grad<R>(x)); });
  });
  return out;
}

Var Ctx::scatter_add_tokens(Var x, const TokenOrder& order, Var like) {
  const int64_t C = cols(x);
  const std::vector<int64_t> to = source_rows("scatter_add_tokens", layout(like), order.index);
  check(rows(x) == static_cast<int64_t>(to.size()), ErrorCode::kUsage,
        "[scatter_add_tokens] expected {} rows, found {}", to.size(), rows(x));
  const Var out = make_like(like, C);  // [rows of like, C]
  with_real([&]<class R>(R) {
    std::memset(data<R>(out), 0, static_cast<size_t>(rows(out) * C) * sizeof(R));
    scatter_add(to, C, R(1), 1, data<R>(x), data<R>(out));
    if (!record(Role::kOrder, {x}, out, {})) return;
    set_adjoint([=, this](const LocalRule&) {
      const R* dy = grad<R>(out);
      R* dx = grad<R>(x);
      for (size_t i = 0; i < to.size(); ++i) kernels::accumulate(C, dy + to[i] * C, dx + static_cast<int64_t>(i) * C);
    });
  });
  return out;
}

Var Ctx::pool_tokens(Var x, const TokenOrder& order, int64_t window) {
  const int64_t C = cols(x), total = static_cast<int64_t>(order.index.size());
  check(window > 0 && total % window == 0, ErrorCode::kUsage,
        "[pool_tokens] expected a multiple of {} tokens in the order, found {}", window, total);
  const size_t sequences = layout(x).cu.size() - 1;
  const int64_t length = total / window;
  check(order.resets.empty() || static_cast<int64_t>(order.resets.size()) == length, ErrorCode::kUsage,
        "[pool_tokens] expected {} reset flags, found {}", length, order.resets.size());
  const std::vector<int64_t> from = source_rows("pool_tokens", layout(x), order.index);
  const int made = layout_index(layouts_, cut_layout(sequences, length, order.resets));
  const Var out = make(static_cast<int64_t>(sequences) * length, C, made);  // [B*L_out/window, C]
  with_real([&]<class R>(R) {
    const R factor = R(1) / static_cast<R>(window);
    const R* xv = data<R>(x);
    R* y = data<R>(out);
    for (int64_t i = 0; i < rows(out); ++i) {
      for (int64_t c = 0; c < C; ++c) y[i * C + c] = 0;
      for (int64_t j = i * window; j < (i + 1) * window; ++j) {
        const R* row = xv + from[static_cast<size_t>(j)] * C;
        for (int64_t c = 0; c < C; ++c) y[i * C + c] += factor * row[c];
      }
    }
    if (!record(Role::kOrder, {x}, out, {})) return;
    set_adjoint([=, this](const LocalRule&) { scatter_add(from, C, factor, window, grad<R>(out), grad<R>(x)); });
  });
  return out;
}

Var Ctx::insert_token(const Weight& token, Var x, int64_t at) {
  const int64_t C = cols(x), old_rows = rows(x);
  check(token.size() == C, ErrorCode::kData, "[insert_token] {} must have {} numbers but is [{}]", token.name, C,
        fmt::join(token.shape, ", "));
  const Layout old = layout(x);
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
  const int made = layout_index(layouts_, std::move(grown));
  const Var out = make(old_rows + B, C, made);  // [B*(L+1), C]
  with_real([&]<class R>(R) {
    R* y = data<R>(out);
    const size_t bytes = static_cast<size_t>(C) * sizeof(R);
    for (size_t i = 0; i < place.size(); ++i)
      std::memcpy(y + place[i] * C, data<R>(x) + static_cast<int64_t>(i) * C, bytes);
    for (int64_t row : tokens) std::memcpy(y + row * C, token.as<R>(), bytes);
    if (!record(Role::kOrder, {x}, out, {&token})) return;
    set_adjoint([=, this, &token](const LocalRule& rule) {
      const R* dy = grad<R>(out);
      R* dx = grad<R>(x);
      for (size_t i = 0; i < place.size(); ++i)
        kernels::accumulate(C, dy + place[i] * C, dx + static_cast<int64_t>(i) * C);
      const ArenaScope scope(scratch_);
      R* to_token = scratch_.array<R>(static_cast<size_t>(B * C));  // [B, C]
      gather(tokens, C, dy, to_token);
      bias_backward(token, 0, B, C, to_token, rule);
    });
  });
  return out;
}

}  // namespace hindscan
