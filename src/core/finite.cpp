// A pass that leaves the finite numbers stops and says where: NaN would otherwise run on into every score and state.
#include "kernels/finite.h"

#include <algorithm>
#include <cmath>

#include "core/context.h"

namespace hindscan {

namespace {

std::string place(const std::string& where, int layer) {
  return where.empty() ? "after the last layer" : fmt::format("layer {}", layer);
}

const char* spelled(double v) { return std::isnan(v) ? "NaN" : v > 0 ? "infinity" : "-infinity"; }

}  // namespace

Var Ctx::checked(Var y) const {
  if (!options_.finite) return y;
  with_real([&]<class R>(R) {
    if (kernels::first_non_finite(rows(y) * cols(y), data<R>(y)) >= 0) fail_non_finite("the block's output");
  });
  return y;
}

// A norm divides an infinity, or numbers whose squares overflow, down to a harmless-looking zero.
template <class R>
void Ctx::check_norm(Var x, const Weight* w, int64_t n, const R* scale) const {
  if (!options_.finite) return;
  const R* bad = std::find_if_not(scale, scale + n, [](R s) { return std::isfinite(s) && s != 0; });
  if (bad == scale + n) return;
  const R *begin = data<R>(x), *end = begin + rows(x) * cols(x);
  const R top = std::abs(*std::max_element(begin, end, [](R a, R b) { return std::abs(a) < std::abs(b); }));
  fail_non_finite(fmt::format("the norm{}, whose input reaches {:.2g} and has no finite sum of squares",
                              w == nullptr ? "" : " " + w->name, top));
}
template void Ctx::check_norm<float>(Var, const Weight*, int64_t, const float*) const;
template void Ctx::check_norm<double>(Var, const Weight*, int64_t, const double*) const;

// The first array from the block's input on that holds such a number, in the order of computation, or `otherwise`.
void Ctx::fail_non_finite(const std::string& otherwise) const {
  std::string what = otherwise;
  for (size_t i = block_begin_ > 0 ? block_begin_ - 1 : 0; i < slots_.size(); ++i) {
    const Slot& s = slots_[i];
    const auto [at, value] = with_real([&]<class R>(R) {
      const int64_t found = kernels::first_non_finite(s.T * s.C, static_cast<const R*>(s.data));
      return std::pair(found, found < 0 ? 0.0 : static_cast<double>(static_cast<const R*>(s.data)[found]));
    });
    if (at < 0) continue;
    what = fmt::format("{} in the output of {}{} (row {}, channel {})", spelled(value), role_name(s.role),
                       s.weight == nullptr ? "" : " " + s.weight->name, at / s.C, at % s.C);
    break;
  }
  fail(ErrorCode::kData,
       "[{}] expected finite numbers, found {}; the weights, or the state the text continues from, are damaged or too "
       "large: 'hindscan info --check' looks at the weights",
       place(where(), layer_), what);
}

}  // namespace hindscan
