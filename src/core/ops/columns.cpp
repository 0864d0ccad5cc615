// Roles split, concat and head broadcast: columns of a signal put elsewhere. The adjoint is the transpose under every
// rule.
#include <cstring>

#include "core/context.h"
#include "kernels/parallel.h"

namespace hindscan {

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

Var Ctx::split_strided(Var x, int64_t parts, int64_t stride, int64_t first, int64_t count) {
  const int64_t T = rows(x), C = cols(x);
  check(parts > 0 && first >= 0 && count >= 0 && first + count <= stride && parts * stride <= C, ErrorCode::kInternal,
        "[split_strided] columns {}..{} of {} parts of {} in {}", first, first + count, parts, stride, C);
  const Var out = make_like(x, parts * count);  // [T, parts*count]
  const auto wide = [=](int64_t p) { return p * stride + first; };
  const auto narrow = [=](int64_t p) { return p * count; };
  with_real([&]<class R>(R) {
    copy_columns(T, parts, count, C, data<R>(x), wide, parts * count, data<R>(out), narrow, false);
    if (!record(Role::kSplit, {x}, out, {})) return;
    set_adjoint([=, this](const LocalRule&) {
      copy_columns(T, parts, count, parts * count, grad<R>(out), narrow, C, grad<R>(x), wide, true);
    });
  });
  return out;
}

Var Ctx::concat(std::span<const Var> parts) {
  check(!parts.empty(), ErrorCode::kInternal, "[concat] of nothing");
  const int64_t T = rows(parts[0]);
  int64_t C = 0;
  for (Var p : parts) {
    check(rows(p) == T, ErrorCode::kInternal, "[concat] parts of {} and {} rows", T, rows(p));
    C += cols(p);
  }
  const Var out = make_like(parts[0], C);  // [T, sum of C]
  const auto start = [](int64_t) { return int64_t{0}; };
  with_real([&]<class R>(R) {
    int64_t at = 0;
    for (Var p : parts) {
      const int64_t n = cols(p);
      copy_columns(
          T, 1, n, n, data<R>(p), start, C, data<R>(out), [at](int64_t) { return at; }, false);
      at += n;
    }
    if (!record(Role::kConcat, parts, out, {})) return;
    set_adjoint([=, this, in = std::vector<Var>(parts.begin(), parts.end())](const LocalRule&) {
      int64_t from = 0;
      for (Var p : in) {
        const int64_t n = cols(p);
        copy_columns(
            T, 1, n, C, grad<R>(out), [from](int64_t) { return from; }, n, grad<R>(p), start, true);
        from += n;
      }
    });
  });
  return out;
}

Var Ctx::head_broadcast(Var x, int64_t heads, int64_t repeat) {
  const int64_t T = rows(x), C = cols(x);
  check(heads > 0 && repeat > 0 && C % heads == 0, ErrorCode::kInternal,
        "[head_broadcast] {} channels, {} heads, {} times", C, heads, repeat);
  const int64_t d = C / heads;
  const Var out = make_like(x, C * repeat);  // [T, heads*repeat*d]
  const auto source = [=](int64_t p) { return p / repeat * d; };
  const auto place = [=](int64_t p) { return p * d; };
  with_real([&]<class R>(R) {
    copy_columns(T, heads * repeat, d, C, data<R>(x), source, C * repeat, data<R>(out), place, false);
    if (!record(Role::kHeadBroadcast, {x}, out, {})) return;
    set_adjoint([=, this](const LocalRule&) {
      copy_columns(T, heads * repeat, d, C * repeat, grad<R>(out), place, C, grad<R>(x), source, true);
    });
  });
  return out;
}

}  // namespace hindscan
