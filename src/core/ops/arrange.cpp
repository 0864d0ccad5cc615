// Roles add, split, concat, select and head broadcast: sums, and columns or rows of a signal put elsewhere. The adjoint
// is the transpose under every rule.
#include "core/ops/arrange.h"

#include <cstring>

#include "kernels/parallel.h"

namespace hindscan::ops {

// Copies blocks of columns: to[t, to_at(p)..] (+)= from[t, from_at(p)..] for p < parts.
template <class R, class From, class To>
static void copy_columns(int64_t T, int64_t parts, int64_t count, int64_t from_cols, const R* from, const From& from_at,
                         int64_t to_cols, R* to, const To& to_at, bool add) {
  kernels::for_rows(T, parts * count, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t p = 0; p < parts; ++p) {
        const R* f = from + t * from_cols + from_at(p);
        R* o = to + t * to_cols + to_at(p);
        if (!add)
          std::memcpy(o, f, static_cast<size_t>(count) * sizeof(R));
        else
          for (int64_t c = 0; c < count; ++c) o[c] += f[c];
      }
    }
  });
}

Var add(Ctx& ctx, Var a, Var b) {
  check(ctx.rows(a) == ctx.rows(b) && ctx.cols(a) == ctx.cols(b), ErrorCode::kInternal,
        "[add] shapes [{}, {}] and [{}, {}] differ", ctx.rows(a), ctx.cols(a), ctx.rows(b), ctx.cols(b));
  const int64_t n = ctx.rows(a) * ctx.cols(a);
  const Var out = ctx.make_like(a, ctx.cols(a));  // [T, C]
  ctx.with_real([&]<class R>(R) {
    kernels::add_forward(n, ctx.data<R>(a), ctx.data<R>(b), ctx.data<R>(out));
    if (!ctx.record(Role::kAdd, {a, b}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule&) {
      for (Var v : {a, b}) {
        bool accumulate = false;
        R* dv = ctx.grad_target<R>(v, &accumulate);
        if (accumulate)
          kernels::accumulate(n, ctx.grad<R>(out), dv);
        else
          std::memcpy(dv, ctx.grad<R>(out), static_cast<size_t>(n) * sizeof(R));
      }
    });
  });
  return out;
}

Var split(Ctx& ctx, Var x, int64_t first, int64_t count) {
  const int64_t T = ctx.rows(x), C = ctx.cols(x);
  check(first >= 0 && count >= 0 && first + count <= C, ErrorCode::kInternal, "[split] columns {}..{} of {}", first,
        first + count, C);
  const Var out = ctx.make_like(x, count);  // [T, count]
  ctx.with_real([&]<class R>(R) {
    const R* xv = ctx.data<R>(x);
    R* y = ctx.data<R>(out);
    for (int64_t t = 0; t < T; ++t)
      std::memcpy(y + t * count, xv + t * C + first, static_cast<size_t>(count) * sizeof(R));
    if (!ctx.record(Role::kSplit, {x}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule&) {
      R* dx = ctx.grad<R>(x);
      const R* dy = ctx.grad<R>(out);
      for (int64_t t = 0; t < T; ++t) {
        for (int64_t c = 0; c < count; ++c) dx[t * C + first + c] += dy[t * count + c];
      }
    });
  });
  return out;
}

Var split_strided(Ctx& ctx, Var x, int64_t parts, int64_t stride, int64_t first, int64_t count) {
  const int64_t T = ctx.rows(x), C = ctx.cols(x);
  check(parts > 0 && first >= 0 && count >= 0 && first + count <= stride && parts * stride <= C, ErrorCode::kInternal,
        "[split_strided] columns {}..{} of {} parts of {} in {}", first, first + count, parts, stride, C);
  const Var out = ctx.make_like(x, parts * count);  // [T, parts*count]
  const auto wide = [=](int64_t p) { return p * stride + first; };
  const auto narrow = [=](int64_t p) { return p * count; };
  ctx.with_real([&]<class R>(R) {
    copy_columns(T, parts, count, C, ctx.data<R>(x), wide, parts * count, ctx.data<R>(out), narrow, false);
    if (!ctx.record(Role::kSplit, {x}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule&) {
      copy_columns(T, parts, count, parts * count, ctx.grad<R>(out), narrow, C, ctx.grad<R>(x), wide, true);
    });
  });
  return out;
}

Var concat(Ctx& ctx, std::span<const Var> parts) {
  check(!parts.empty(), ErrorCode::kInternal, "[concat] of nothing");
  const int64_t T = ctx.rows(parts[0]);
  int64_t C = 0;
  for (Var p : parts) {
    check(ctx.rows(p) == T, ErrorCode::kInternal, "[concat] parts of {} and {} rows", T, ctx.rows(p));
    C += ctx.cols(p);
  }
  const Var out = ctx.make_like(parts[0], C);  // [T, sum of C]
  const auto start = [](int64_t) { return int64_t{0}; };
  ctx.with_real([&]<class R>(R) {
    int64_t at = 0;
    for (Var p : parts) {
      const int64_t n = ctx.cols(p);
      copy_columns(
          T, 1, n, n, ctx.data<R>(p), start, C, ctx.data<R>(out), [at](int64_t) { return at; }, false);
      at += n;
    }
    if (!ctx.record(Role::kConcat, parts, out, {})) return;
    ctx.set_adjoint([=, &ctx, in = std::vector<Var>(parts.begin(), parts.end())](const LocalRule&) {
      int64_t from = 0;
      for (Var p : in) {
        const int64_t n = ctx.cols(p);
        copy_columns(
            T, 1, n, C, ctx.grad<R>(out), [from](int64_t) { return from; }, n, ctx.grad<R>(p), start, true);
        from += n;
      }
    });
  });
  return out;
}

Var select(Ctx& ctx, Var x, std::span<const int64_t> which) {
  const int64_t C = ctx.cols(x);
  for (int64_t t : which) check(t >= 0 && t < ctx.rows(x), ErrorCode::kUsage, "[select] row {} of {}", t, ctx.rows(x));
  const Var out = ctx.make(std::ssize(which), C);  // [rows, C]
  ctx.with_real([&]<class R>(R) {
    for (size_t i = 0; i < which.size(); ++i) {
      std::memcpy(ctx.data<R>(out) + static_cast<int64_t>(i) * C, ctx.data<R>(x) + which[i] * C,
                  static_cast<size_t>(C) * sizeof(R));
    }
    if (!ctx.record(Role::kSelect, {x}, out, {})) return;
    ctx.set_adjoint([=, &ctx, at = std::vector<int64_t>(which.begin(), which.end())](const LocalRule&) {
      R* dx = ctx.grad<R>(x);
      const R* dy = ctx.grad<R>(out);
      for (size_t i = 0; i < at.size(); ++i) kernels::accumulate(C, dy + static_cast<int64_t>(i) * C, dx + at[i] * C);
    });
  });
  return out;
}

Var head_broadcast(Ctx& ctx, Var x, int64_t heads, int64_t repeat) {
  const int64_t T = ctx.rows(x), C = ctx.cols(x);
  check(heads > 0 && repeat > 0 && C % heads == 0, ErrorCode::kInternal,
        "[head_broadcast] {} channels, {} heads, {} times", C, heads, repeat);
  const int64_t d = C / heads;
  const Var out = ctx.make_like(x, C * repeat);  // [T, heads*repeat*d]
  const auto source = [=](int64_t p) { return p / repeat * d; };
  const auto place = [=](int64_t p) { return p * d; };
  ctx.with_real([&]<class R>(R) {
    copy_columns(T, heads * repeat, d, C, ctx.data<R>(x), source, C * repeat, ctx.data<R>(out), place, false);
    if (!ctx.record(Role::kHeadBroadcast, {x}, out, {})) return;
    ctx.set_adjoint([=, &ctx](const LocalRule&) {
      copy_columns(T, heads * repeat, d, C * repeat, ctx.grad<R>(out), place, C, ctx.grad<R>(x), source, true);
    });
  });
  return out;
}

}  // namespace hindscan::ops
