// Roles embedding, skip, bypass, add, split, select: linear in the signal, so their adjoint is the transpose under
// every rule.
#include <cstring>

#include "core/context.h"
#include "kernels/gemm.h"

namespace hindscan {

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

Var Ctx::embedding(const Weight& table) {
  if (embedding_ != kNoVar) return embedding_;
  const int64_t T = input_.length(), C = table.cols();
  const Var out = make(T, C);  // [T, d_model]
  with_real([&]<class R>(R) {
    R* y = data<R>(out);
    if (input_.feature_dim > 0) {
      check(input_.feature_dim == C, ErrorCode::kUsage, "[embedding] features must be [T, {}] but are [{}, {}]", C, T,
            input_.feature_dim);
      for (int64_t i = 0; i < T * C; ++i) y[i] = static_cast<R>(input_.features[static_cast<size_t>(i)]);
    } else {
      for (int32_t id : input_.tokens) {
        check(id >= 0 && id < table.rows(), ErrorCode::kUsage,
              "[embedding] token id {} is outside the vocabulary 0..{}", id, table.rows() - 1);
      }
      gather_rows(table, input_.tokens, y);
    }
    if (!record(Role::kEmbedding, {}, out, {&table})) return;
    set_adjoint([=, this, &table](const LocalRule& rule) {
      if (!rule.weights || input_.feature_dim > 0) return;
      kernels::embedding_backward(T, C, input_.tokens.data(), grad<R>(out), options_.grads->of<R>(table));
    });
  });
  return tap("embedding", out);
}

Var Ctx::features() {
  const int64_t T = input_.length(), C = input_.feature_dim;
  check(C > 0, ErrorCode::kUsage, "[features] expected feature vectors, found tokens; this model reads features");
  const Var out = make(T, C);  // [T, feature_dim]
  with_real([&]<class R>(R) {
    for (int64_t i = 0; i < T * C; ++i) data<R>(out)[i] = static_cast<R>(input_.features[static_cast<size_t>(i)]);
  });
  if (record(Role::kEmbedding, {}, out, {})) set_adjoint([](const LocalRule&) {});
  return tap("embedding", out);
}

Var Ctx::beside(Var x) {
  const int64_t n = rows(x) * cols(x);
  const Var out = make_like(x, cols(x));  // [T, C]
  with_real([&]<class R>(R) {
    std::memcpy(data<R>(out), data<R>(x), static_cast<size_t>(n) * sizeof(R));
    if (!record(Role::kBeside, {x}, out, {})) return;
    set_adjoint([=, this](const LocalRule& rule) {
      if (rule.signal) kernels::accumulate(n, grad<R>(out), grad<R>(x));
    });
  });
  return out;
}

Var Ctx::skip(const Weight& d, Var base, Var x) {
  const int64_t T = rows(x), C = cols(x), n = d.size();
  check(n > 0 && C % n == 0, ErrorCode::kData, "[skip] {} must be [{}] or one number per head, but is [{}]", d.name, C,
        fmt::join(d.shape, ", "));
  const int64_t repeat = C / n;
  const Var out = make_like(x, C);  // [T, C]
  with_real([&]<class R>(R) {
    const R* dv = d.as<R>();  // [C]
    if (repeat > 1) {
      R* wide = arena_->array<R>(static_cast<size_t>(C));
      for (int64_t c = 0; c < C; ++c) wide[c] = dv[c / repeat];
      dv = wide;
    }
    kernels::skip_forward(T, C, data<R>(base), dv, data<R>(x), data<R>(out));
    if (!record(Role::kSkip, {base, x}, out, {&d})) return;
    set_adjoint([=, this, &d](const LocalRule& rule) {
      const R* dy = grad<R>(out);
      kernels::accumulate(T * C, dy, grad<R>(base));
      if (!rule.value) return;
      const R* xv = data<R>(x);
      for (int64_t t = 0; t < T; ++t) {
        double sum = 0;
        for (int64_t c = 0; c < C; ++c) sum += static_cast<double>(dv[c]) * xv[t * C + c] * dy[t * C + c];
        skip_share += sum;
      }
      R* dd = rule.weights ? options_.grads->of<R>(d) : nullptr;
      if (dd == nullptr || repeat == 1) return kernels::skip_backward(T, C, dv, xv, dy, grad<R>(x), dd);
      const ArenaScope scope(scratch_);
      R* sums = scratch_.array<R>(static_cast<size_t>(C));  // [C]
      std::memset(sums, 0, static_cast<size_t>(C) * sizeof(R));
      kernels::skip_backward(T, C, dv, xv, dy, grad<R>(x), sums);
      for (int64_t c = 0; c < C; ++c) dd[c / repeat] += sums[c];
    });
  });
  return out;
}

Var Ctx::add(Var a, Var b) {
  check(rows(a) == rows(b) && cols(a) == cols(b), ErrorCode::kInternal, "[add] shapes [{}, {}] and [{}, {}] differ",
        rows(a), cols(a), rows(b), cols(b));
  const int64_t n = rows(a) * cols(a);
  const Var out = make_like(a, cols(a));  // [T, C]
  with_real([&]<class R>(R) {
    kernels::add_forward(n, data<R>(a), data<R>(b), data<R>(out));
    if (!record(Role::kAdd, {a, b}, out, {})) return;
    set_adjoint([=, this](const LocalRule&) {
      for (Var v : {a, b}) {
        bool accumulate = false;
        R* dv = grad_target<R>(v, &accumulate);
        if (accumulate)
          kernels::accumulate(n, grad<R>(out), dv);
        else
          std::memcpy(dv, grad<R>(out), static_cast<size_t>(n) * sizeof(R));
      }
    });
  });
  return out;
}

Var Ctx::split(Var x, int64_t first, int64_t count) {
  const int64_t T = rows(x), C = cols(x);
  check(first >= 0 && count >= 0 && first + count <= C, ErrorCode::kInternal, "[split] columns {}..{} of {}", first,
        first + count, C);
  const Var out = make_like(x, count);  // [T, count]
  with_real([&]<class R>(R) {
    const R* xv = data<R>(x);
    R* y = data<R>(out);
    for (int64_t t = 0; t < T; ++t)
      std::memcpy(y + t * count, xv + t * C + first, static_cast<size_t>(count) * sizeof(R));
    if (!record(Role::kSplit, {x}, out, {})) return;
    set_adjoint([=, this](const LocalRule&) {
      R* dx = grad<R>(x);
      const R* dy = grad<R>(out);
      for (int64_t t = 0; t < T; ++t) {
        for (int64_t c = 0; c < count; ++c) dx[t * C + first + c] += dy[t * count + c];
      }
    });
  });
  return out;
}

Var Ctx::select(Var x, std::span<const int64_t> which) {
  const int64_t C = cols(x);
  for (int64_t t : which) check(t >= 0 && t < rows(x), ErrorCode::kUsage, "[select] row {} of {}", t, rows(x));
  const Var out = make(std::ssize(which), C);  // [rows, C]
  with_real([&]<class R>(R) {
    for (size_t i = 0; i < which.size(); ++i) {
      std::memcpy(data<R>(out) + static_cast<int64_t>(i) * C, data<R>(x) + which[i] * C,
                  static_cast<size_t>(C) * sizeof(R));
    }
    if (!record(Role::kSelect, {x}, out, {})) return;
    set_adjoint([=, this, at = std::vector<int64_t>(which.begin(), which.end())](const LocalRule&) {
      R* dx = grad<R>(x);
      const R* dy = grad<R>(out);
      for (size_t i = 0; i < at.size(); ++i) kernels::accumulate(C, dy + static_cast<int64_t>(i) * C, dx + at[i] * C);
    });
  });
  return out;
}

}  // namespace hindscan
