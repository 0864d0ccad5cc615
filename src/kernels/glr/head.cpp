// The functions of head.h: double by the reference, float by the kernel that suits the problem.
#include "kernels/glr/head.h"

#include "kernels/glr/head_choice.h"
#include "kernels/glr/head_delta.h"
#include "kernels/glr/head_kernels.h"
#include "kernels/glr/head_reference.h"

namespace hindscan::kernels::glr {

namespace {

bool chunked_exists(const HeadDims& d, const HeadCoeffs<float>& c) {
  return has_rank1(c) ? delta_chunked_exists(d, c) : diagonal_chunked_exists(d, c);
}
bool use_chunked(const HeadDims& d, const HeadCoeffs<float>& c, Algorithm algorithm, bool backward) {
  if (algorithm == Algorithm::kSequential || !chunked_exists(d, c)) return false;
  if (algorithm == Algorithm::kChunked) return true;
  return has_rank1(c) ? rank1_chunked_is_faster(d, c, backward) : diagonal_chunked_is_faster(d, c, backward);
}

}  // namespace

Algorithm head_algorithm(const HeadDims& d, const HeadCoeffs<float>& c) {
  return use_chunked(d, c, Algorithm::kAuto, false) ? Algorithm::kChunked : Algorithm::kSequential;
}

void head_forward(const HeadDims& d, const HeadCoeffs<float>& c, const float* v, float* S, float* y,
                  Algorithm algorithm) {
  const bool chunked = use_chunked(d, c, algorithm, false);
  if (has_rank1(c)) return chunked ? delta_forward_chunked(d, c, v, S, y) : delta_forward(d, c, v, S, y);
  if (!chunked) return diagonal_forward(d, c, v, S, y);
  c.decay == DecayShape::kRow ? row_forward_chunked(d, c, v, S, y) : scalar_forward_chunked(d, c, v, S, y);
}
void head_forward(const HeadDims& d, const HeadCoeffs<double>& c, const double* v, double* S, double* y, Algorithm) {
  reference::forward(d, c, v, S, y);
}

void head_backward(const HeadDims& d, const HeadCoeffs<float>& c, const float* v, const float* S0, const float* dy,
                   const HeadGrads<float>& grads, Algorithm algorithm) {
  const bool chunked = use_chunked(d, c, algorithm, true);
  if (has_rank1(c)) {
    return chunked ? delta_backward_chunked(d, c, v, S0, dy, grads) : delta_backward(d, c, v, S0, dy, grads);
  }
  if (!chunked) return diagonal_backward(d, c, v, S0, dy, grads);
  const bool row = c.decay == DecayShape::kRow;
  row ? row_backward_chunked(d, c, v, S0, dy, grads) : scalar_backward_chunked(d, c, v, S0, dy, grads);
}
void head_backward(const HeadDims& d, const HeadCoeffs<double>& c, const double* v, const double* S0, const double* dy,
                   const HeadGrads<double>& grads, Algorithm) {
  reference::backward(d, c, v, S0, dy, grads);
}

void head_value_adjoint(const HeadDims& d, const HeadCoeffs<float>& c, const float* dy, float* dS, float* dv) {
  if (has_rank1(c)) return delta_value_adjoint(d, c, dy, dS, dv);
  diagonal_value_adjoint(d, c, dy, dS, dv);
}
void head_value_adjoint(const HeadDims& d, const HeadCoeffs<double>& c, const double* dy, double* dS, double* dv) {
  reference::value_adjoint(d, c, dy, dS, dv);
}

void head_row_times(const HeadDims& d, const HeadCoeffs<float>& c, const float* w, float* carry, float* out) {
  row_times_vector(d, c, w, carry, out);
}
void head_row_times(const HeadDims& d, const HeadCoeffs<double>& c, const double* w, double* carry, double* out) {
  reference::row_times(d, c, w, carry, out);
}

void head_tile(const HeadDims& d, const HeadCoeffs<float>& c, HeadMap map, int64_t head, TileRange I, TileRange J,
               const HeadTileFold<float>& fold, float* out) {
  tile_by_adjoint(d, c, map, head, I, J, fold, out);
}
void head_tile(const HeadDims& d, const HeadCoeffs<double>& c, HeadMap map, int64_t head, TileRange I, TileRange J,
               const HeadTileFold<double>& fold, double* out) {
  reference::tile(d, c, map, head, I, J, fold, out);
}

void head_block_sums(const HeadDims& d, const HeadCoeffs<float>& c, int64_t head, const int64_t* edges, int64_t blocks,
                     float* out) {
  reference::block_sums(d, c, head, edges, blocks, out);
}
void head_block_sums(const HeadDims& d, const HeadCoeffs<double>& c, int64_t head, const int64_t* edges, int64_t blocks,
                     double* out) {
  reference::block_sums(d, c, head, edges, blocks, out);
}

void head_forward_residual(const HeadDims& d, const HeadCoeffs<float>& c, const float* v, double* S, const float* y,
                           double* residual) {
  reference::forward_residual(d, c, v, S, y, residual);
}

}  // namespace hindscan::kernels::glr
