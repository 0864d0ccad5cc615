#include "model/pass_cost.h"

#include <algorithm>
#include <vector>

namespace hindscan {
namespace {

int64_t peak_of(const Model& model, std::span<const int32_t> tokens) {
  PassRoom room;
  Input input;
  input.tokens = tokens;
  CtxOptions options;
  options.compute = model.compute();
  options.use(room);
  Ctx ctx(input, std::move(options));
  model.arch().forward(ctx);
  return static_cast<int64_t>(room.arena.peak() + room.scratch.peak());
}

}  // namespace

PassCost running_cost(const Model& model, std::span<const int32_t> tokens) {
  constexpr int64_t kFew = 16, kMore = 64;
  const std::vector<int32_t> first(kMore, tokens.front());
  try {
    const int64_t more = peak_of(model, first), few = peak_of(model, std::span(first).first(kFew));
    const int64_t each = std::max<int64_t>((more - few) / (kMore - kFew), 1);
    return {std::max<int64_t>(more - each * kMore, 0), each};
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kUsage) throw;  // a model of fixed orders takes texts of one length only
    return {0, peak_of(model, tokens) / std::ssize(tokens) + 1};
  }
}

int64_t logit_rows(const Model& model, int64_t chunk) {
  constexpr int64_t kAtOnce = int64_t{1} << 24;  // 64 MiB
  return std::clamp<int64_t>(kAtOnce / model.arch().head().rows(), 1, chunk);
}

int64_t logit_row_bytes(const Model& model, int64_t chunk) {
  const int64_t each = model.compute() == DType::kF64 ? sizeof(float) + sizeof(double) : sizeof(float);
  return logit_rows(model, chunk) * model.arch().head().rows() * each;
}

}  // namespace hindscan
