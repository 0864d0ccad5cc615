// Role pool: one row a sequence. Adjoint: the transpose; of the maximum, with the chosen rows held (its exact
// derivative).
#include "core/context.h"
#include "core/ops/layouts.h"

namespace hindscan {

Var Ctx::pool(Pool kind, Var x) {
  const int64_t C = cols(x);
  const std::vector<int64_t> cu = layout(x).cu;
  const int64_t B = static_cast<int64_t>(cu.size()) - 1;
  for (int64_t b = 0; b < B; ++b) {
    check(cu[static_cast<size_t>(b) + 1] > cu[static_cast<size_t>(b)], ErrorCode::kUsage,
          "[pool] sequence {} is empty; give it a token", b);
  }
  const int made = layout_index(layouts_, cut_layout(static_cast<size_t>(B), 1, {}));
  const Var out = make(B, C, made);  // [B, C]
  with_real([&]<class R>(R) {
    int64_t* chosen =
        kind == Pool::kMax ? arena_->array<int64_t>(static_cast<size_t>(B * C)) : nullptr;  // [B, C] row of the maximum
    const R* xv = data<R>(x);
    R* y = data<R>(out);
    for (int64_t b = 0; b < B; ++b) {
      const int64_t begin = cu[static_cast<size_t>(b)], end = cu[static_cast<size_t>(b) + 1];
      for (int64_t c = 0; c < C; ++c) {
        if (kind == Pool::kFirst || kind == Pool::kLast) {
          y[b * C + c] = xv[(kind == Pool::kFirst ? begin : end - 1) * C + c];
        } else if (kind == Pool::kMax) {
          int64_t best = begin;
          for (int64_t t = begin + 1; t < end; ++t) best = xv[t * C + c] > xv[best * C + c] ? t : best;
          chosen[b * C + c] = best;
          y[b * C + c] = xv[best * C + c];
        } else {
          double sum = 0;
          for (int64_t t = begin; t < end; ++t) sum += static_cast<double>(xv[t * C + c]);
          y[b * C + c] = static_cast<R>(sum / static_cast<double>(end - begin));
        }
      }
    }
    if (!record(Role::kPool, {x}, out, {})) return;
    set_adjoint([=, this](const LocalRule&) {
      const R* dy = grad<R>(out);
      R* dx = grad<R>(x);
      for (int64_t b = 0; b < B; ++b) {
        const int64_t begin = cu[static_cast<size_t>(b)], end = cu[static_cast<size_t>(b) + 1];
        const R share = R(1) / static_cast<R>(end - begin);
        for (int64_t c = 0; c < C; ++c) {
          const R g = dy[b * C + c];
          if (kind == Pool::kFirst)
            dx[begin * C + c] += g;
          else if (kind == Pool::kLast)
            dx[(end - 1) * C + c] += g;
          else if (kind == Pool::kMax)
            dx[chosen[b * C + c] * C + c] += g;
          else
            for (int64_t t = begin; t < end; ++t) dx[t * C + c] += share * g;
        }
      }
    });
  });
  return out;
}

}  // namespace hindscan
