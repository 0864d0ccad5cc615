// From hidden rows to logits: the head's product, its bias, scale and soft cap.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "model/model.h"

namespace hindscan {

// h [count, d_model] of the compute type -> logits [count, vocab].
void head_rows(const Model& model, const float* h, int64_t count, float* out);
void head_rows(const Model& model, const double* h, int64_t count, float* out);

// Error(kData) that names the first of logits [count, vocab] which is not finite; of: of which sequence, or empty.
void check_logits(const Model& model, int64_t position, int64_t count, const float* rows, const std::string& of);

template <class F>
void with_rows(const Ctx& ctx, Var h, F&& f) {
  if (ctx.compute() == DType::kF64)
    f(static_cast<const double*>(ctx.data<double>(h)));
  else
    f(static_cast<const float*>(ctx.data<float>(h)));
}

// The given rows of h one after the other, [rows, d_model]; a single one where it is.
template <class R>
const R* gather_rows(const R* h, int64_t C, const std::vector<int64_t>& rows, std::vector<R>& storage) {
  if (rows.size() == 1) return h + rows[0] * C;
  storage.clear();
  for (int64_t row : rows) storage.insert(storage.end(), h + row * C, h + (row + 1) * C);
  return storage.data();
}

}  // namespace hindscan
