#include "explain/matrix.h"

#include <cmath>

#include "base/memory.h"
#include "explain/matrix_estimate.h"
#include "explain/matrix_fill.h"
#include "kernels/finite.h"

namespace hindscan {

namespace {

void check_finite(const MatrixResult& m) {
  for (const std::vector<float>* values : {&m.values, &m.lower, &m.upper}) {
    const int64_t bad = kernels::first_non_finite(std::ssize(*values), values->data());
    check(bad < 0, ErrorCode::kData,
          "[matrix] expected finite numbers, found {} in row {}, column {} of layer {}: the map left the range of its "
          "numbers; try f64",
          bad < 0 ? 0.0f : (*values)[static_cast<size_t>(bad)], bad / m.cols, bad % m.cols, m.layer);
  }
}

template <class R>
MatrixResult matrix_typed(const Model& model, const MatrixRequest& r, const MatrixPlan& p, const MatrixEstimate& e) {
  MatrixResult out;
  out.layer = p.layer;
  out.rows = r.blocks > 0 ? r.blocks : p.rows.end - p.rows.begin;
  out.cols = r.blocks > 0 ? r.blocks : p.cols.end - p.cols.begin;
  out.values.assign(static_cast<size_t>(out.rows * out.cols), 0.0f);
  if (r.blocks > 0) out.edges = block_edges(p.T, r.blocks);
  if (p.window.begin == p.window.end && !e.whole) return out;  // all of it above the diagonal
  const Collected<R> c = collect<R>(model, r, p, e.whole);
  out.structure = c.structure;
  fill_matrix(c, r, p, e.bounded, out);
  check_finite(out);
  return out;
}

template <class R>
MatrixResult with_error(const Model& model, const MatrixRequest& request, const MatrixPlan& plan,
                        const MatrixEstimate& e) {
  MatrixResult out = matrix_typed<R>(model, request, plan, e);
  if (request.estimator == Estimator::kExact) return out;
  MatrixRequest exact = request;
  exact.estimator = Estimator::kExact;
  const MatrixResult reference = matrix_typed<R>(model, exact, plan, e);
  out.estimator.emplace();
  for (size_t i = 0; i < out.values.size(); ++i)
    out.estimator->add(static_cast<double>(reference.values[i]), static_cast<double>(out.values[i]));
  return out;
}

}  // namespace

MatrixEstimate estimate_matrix(const Model& model, const MatrixRequest& request) {
  const MatrixPlan plan = make_matrix_plan(model, request);
  MatrixOutline outline = outline_matrix(model, request, plan);
  if (outline.estimate.bytes <= memory_within(request.mem_limit)) time_matrix(model, request, plan, outline);
  return outline.estimate;
}

MatrixResult matrix(const Model& model, const MatrixRequest& request) {
  const MatrixPlan plan = make_matrix_plan(model, request);
  MatrixOutline outline = outline_matrix(model, request, plan);
  const MatrixEstimate& e = outline.estimate;
  const int64_t limit = memory_within(request.mem_limit);
  check(e.bytes <= limit, ErrorCode::kResource,
        "[matrix] expected at most {} MiB, found {}; ask for fewer rows and columns or for blocks", limit >> 20,
        to_text(e));
  if (request.on_estimate) {
    improve_seconds(model, request, plan, outline);
    request.on_estimate(e);
  }
  return model.compute() == DType::kF64 ? with_error<double>(model, request, plan, e)
                                        : with_error<float>(model, request, plan, e);
}

std::string to_text(const MatrixEstimate& e) {
  std::string out = fmt::format("{} x {} {}: about {:.0f} s and {} MiB", e.rows, e.cols,
                                e.rows * e.cols == 1 ? "entry" : "entries", std::ceil(e.seconds), (e.bytes >> 20) + 1);
  if (e.quadratic_seconds <= 0) return out;
  return out + fmt::format(", {:.0f} s of it in attention, which grows with the square of the tokens",
                           std::ceil(e.quadratic_seconds));
}

}  // namespace hindscan
