// Roles scale, concat, split, head broadcast, token shift and features: linear in the signal, so the adjoint is the
// transpose under every rule. token_shift carries the last row ("shift"); its adjoint is kept apart per mixer path.
#include <cstring>

#include "core/context.h"
#include "core/ops/op_support.h"
#include "kernels/parallel.h"

namespace hindscan {

Var Ctx::features() {
  const int64_t T = input_.length(), C = input_.feature_dim;
  check(C > 0, ErrorCode::kUsage, "[features] expected feature vectors, found tokens; this model reads features");
  const Var out = make(T, C);  // [T, feature_dim]
  with_real([&]<class R>(R) {
    for (int64_t i = 0; i < T * C; ++i) data<R>(out)[i] = static_cast<R>(input_.features[static_cast<size_t>(i)]);
  });
  record(Role::kEmbedding, {}, out, {}, [](const AdjointRules&) {});
  return out;
}

Var Ctx::scale(double factor, Var x) {
  const int64_t n = rows(x) * cols(x);
  const Var out = make_like(x, cols(x));  // [T, C]
  with_real([&]<class R>(R) {
    const R f = static_cast<R>(factor);
    const auto axpy = [f](int64_t count, const R* from, R* to, bool add) {
      kernels::for_elements(count, [&](int64_t b, int64_t e) {
        if (add) {
          for (int64_t i = b; i < e; ++i) to[i] += f * from[i];
        } else {
          for (int64_t i = b; i < e; ++i) to[i] = f * from[i];
        }
      });
    };
    axpy(n, data<R>(x), data<R>(out), false);
    record(Role::kScale, {x}, out, {}, [=, this](const AdjointRules&) {
      bool accumulate = false;
      R* dx = grad_target<R>(x, &accumulate);
      axpy(n, grad<R>(out), dx, accumulate);
    });
  });
  return out;
}

Var Ctx::channel_scale(const Weight& w, Var x) {
  const int64_t T = rows(x), C = cols(x);
  check(w.size() == C, ErrorCode::kData, "[channel_scale] {} must be [{}] but is [{}]", w.name, C,
        fmt::join(w.shape, ", "));
  const Var out = make_like(x, C);  // [T, C]
  with_real([&]<class R>(R) {
    kernels::skip_forward(T, C, static_cast<const R*>(nullptr), w.as<R>(), data<R>(x), data<R>(out));
    record(Role::kScale, {x}, out, {&w}, [=, this, &w](const AdjointRules& rules) {
      kernels::skip_backward(T, C, w.as<R>(), data<R>(x), grad<R>(out), grad<R>(x),
                             rules.weights ? options_.grads->of<R>(w) : nullptr);
    });
  });
  return out;
}

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
    record(Role::kSplit, {x}, out, {}, [=, this](const AdjointRules&) {
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
  const std::vector<Var> in(parts.begin(), parts.end());
  const auto start = [](int64_t) { return int64_t{0}; };
  with_real([&]<class R>(R) {
    int64_t at = 0;
    for (Var p : in) {
      const int64_t n = cols(p);
      copy_columns(
          T, 1, n, n, data<R>(p), start, C, data<R>(out), [at](int64_t) { return at; }, false);
      at += n;
    }
    record(Role::kConcat, in, out, {}, [=, this](const AdjointRules&) {
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
    record(Role::kHeadBroadcast, {x}, out, {}, [=, this](const AdjointRules&) {
      copy_columns(T, heads * repeat, d, C * repeat, grad<R>(out), place, C, grad<R>(x), source, true);
    });
  });
  return out;
}

Var Ctx::token_shift(Var x) {
  const int64_t C = cols(x);
  const std::vector<int64_t> shape = {C};
  const std::string name = state_name("shift");
  const std::vector<Segment> segments = layout(x).segments;
  const size_t row = static_cast<size_t>(C);
  const Var out = make_like(x, C);  // [T, C]
  with_real([&]<class R>(R) {
    const R* xv = data<R>(x);
    R* y = data<R>(out);
    for (const Segment& s : segments) {
      const int64_t n = s.end - s.begin;
      const void* carried = s.carries_in ? state_in(s.seq, name, shape) : nullptr;
      const ArenaScope scope(scratch_);
      R* first = scratch_.array<R>(row);  // [C] the row before the segment
      if (carried == nullptr)
        std::memset(first, 0, row * sizeof(R));
      else
        std::memcpy(first, carried, row * sizeof(R));
      if (n > 0) {
        std::memcpy(y + s.begin * C, first, row * sizeof(R));
        std::memcpy(y + (s.begin + 1) * C, xv + s.begin * C, static_cast<size_t>(n - 1) * row * sizeof(R));
      }
      if (s.carries_out)
        std::memcpy(carry_out<R>(s.seq, name, shape), n > 0 ? xv + (s.end - 1) * C : first, row * sizeof(R));
    }
    record(Role::kTokenMix, {x}, out, {}, [=, this](const AdjointRules& rules) {
      const R* dy = grad<R>(out);
      R* dx = grad<R>(x);
      const std::string slot = path_slot(name, rules.path);
      for (const Segment& s : segments) {
        const int64_t n = s.end - s.begin;
        const size_t seq = static_cast<size_t>(s.seq);
        const R* future =
            s.carries_out ? static_cast<const R*>(adjoint_in[seq].get(slot, shape, options_.compute)) : nullptr;
        if (n > 0) {
          kernels::accumulate((n - 1) * C, dy + (s.begin + 1) * C, dx + s.begin * C);
          if (future != nullptr) kernels::accumulate(C, future, dx + (s.end - 1) * C);
        }
        if (!s.carries_in) continue;
        R* past = static_cast<R*>(adjoint_out[seq].put(slot, shape, options_.compute));
        if (n > 0)
          std::memcpy(past, dy + s.begin * C, row * sizeof(R));
        else if (future != nullptr)
          std::memcpy(past, future, row * sizeof(R));
        else
          std::memset(past, 0, row * sizeof(R));
      }
    });
  });
  return out;
}

}  // namespace hindscan
